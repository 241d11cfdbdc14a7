"""What is asked of `ullage standalone`, what it means, and what must be true of its pool afterwards."""

import re
from dataclasses import dataclass, field, replace

MIB = 1 << 20
SMALLEST = {"ext4": 32, "xfs": 300}


@dataclass(frozen=True)
class Volume:
    """A volume as it was answered: its filesystem, MiB, and the checksums of the files in it."""

    fs: str
    size: int
    files: dict = field(default_factory=dict)

    def __str__(self):
        return f"{self.fs} of {self.size} MiB with {len(self.files)} files"


@dataclass(frozen=True)
class Call:
    """One call: `create`, `resize` or `delete` through the quota API; or what an application does: `write`, a file, synced,
    or `fill`, files all over the volume."""

    verb: str
    name: str
    fs: str = ""
    size: int = 0
    file: str = ""

    def __str__(self):
        what = {"create": f" {self.fs} of {self.size} MiB", "resize": f" to {self.size} MiB", "write": f"/{self.file}"}
        return f"{self.verb} {self.name}{what.get(self.verb, '')}"

    def line(self):
        """In words of the shell."""
        if self.verb == "create":
            kind = f',"fs":"{self.fs}"' if self.fs else ""
            return f"""ask POST /volumes '{{"name":"{self.name}","size":{self.size}{kind}}}'"""
        if self.verb == "resize":
            return f"""ask POST /volumes/{self.name}/resize '{{"size":{self.size}}}'"""
        if self.verb == "delete":
            return f"ask DELETE /volumes/{self.name}"
        if self.verb == "fill":
            return f"fill /mnt/volumes/{self.name}"
        return f"write /mnt/volumes/{self.name}/{self.file} {self.size << 10}"

    def after(self, state, said=""):
        """What is there when it has succeeded."""
        state = dict(state)
        if self.verb == "create":
            state[self.name] = state.get(self.name) or Volume(self.fs, self.size)
        elif self.verb == "delete":
            state.pop(self.name, None)
        elif self.verb == "resize":
            state[self.name] = replace(state[self.name], size=self.size)
        else:
            inside = f"/mnt/volumes/{self.name}/"
            written = dict(reversed(line.split("  " + inside)) for line in said.splitlines() if inside in line)
            volume = state[self.name]
            state[self.name] = replace(volume, files={**volume.files, **written})
        return state

    def is_answered(self, said):
        """Whether that is a success; a refusal is an error, for nothing is asked that could be refused.

        The first line is enough: what was seen of an answer before the power went, was answered.
        """
        if self.verb in ("write", "fill"):
            return re.match(r"[0-9a-f]{32}  ", said) is not None
        status = re.match(r"HTTP/1.1 (\d+) ", said)
        return status is not None and int(status[1]) in {"create": (201, 200), "resize": (200,), "delete": (204,)}[self.verb]

    def is_pending(self, said):
        """Whether an ext4 is to grow, and does so when it is mounted next."""
        return self.verb == "resize" and self.fs == "ext4" and said.startswith("HTTP/1.1 202 ")

    def is_done_already(self, said):
        """Whether the same call once more found that it was done before."""
        return self.verb == "delete" and said.startswith("HTTP/1.1 404 ")


def next_call(random, state, backend, number):
    """Something that can be done now."""
    if not state or (len(state) < 4 and random.random() < 0.4):
        fs = random.choice(backend.filesystems)
        size = SMALLEST.get(fs, 32) + 16 * random.randrange(4)
        name = random.choice(sorted({"anna", "bela", "cleo", "dora", "emil"} - set(state)))
        return Call("create", name, fs, size)
    name = random.choice(sorted(state))
    volume = state[name]
    verb = random.choices(["resize", "delete", "write", "shrink"], [4, 3, 2, 2])[0]
    if verb == "delete":
        return Call("delete", name)
    if verb == "resize" and volume.size < SMALLEST.get(volume.fs, 32) + 200:
        return Call("resize", name, volume.fs, volume.size + 16 * random.randint(1, 4))
    if verb == "shrink" and volume.fs in backend.shrinking and volume.size > 48:
        return Call("resize", name, volume.fs, volume.size - 16)
    return Call("write", name, size=random.randint(1, 300), file=f"file{number}")
