"""A pool on a disk of its own: what was answered about it, and whether it is true."""

import json
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from calls import MIB, Call
from place import Outside, raw, tool

SIZE = 3 << 30
USED = SIZE - MIB  # by its filesystem: what is behind that is for tests


class Wrong(Exception):
    """Something is not as it was answered."""


@dataclass(frozen=True)
class Backend:
    """How volumes are made, and what can be told of them from outside."""

    pools: tuple  # on which filesystems
    filesystems: tuple  # of volumes
    shrinking: tuple  # those of them that become smaller
    data: str  # what lies in a volume's directory beside the record
    options: str = "defaults"  # of the pool's mount
    serve: str = "serve"
    native: bool = True  # whether this machine can serve it, or only the guest


BACKENDS = {
    "loop": Backend(("xfs", "ext4"), ("ext4", "xfs"), ("ext4",), "image"),
    "quota": Backend(("xfs",), ("",), ("",), "data", "prjquota", "serve --backend quota", False),
}


@dataclass
class Pool:
    """A disk with a filesystem, and the volumes that were answered to be in its pool."""

    disk: Path
    fs: str
    backend: Backend
    state: dict = field(default_factory=dict)
    in_flight: Call | None = None
    found_done: bool = False  # whether the call in flight was, when it was looked at last

    @classmethod
    def make(cls, disk, fs, backend):
        with open(disk, "wb") as file:
            file.truncate(SIZE)
        sized = ["-d", f"size={USED}", disk] if fs == "xfs" else [disk, f"{USED >> 10}k"]
        flags = ["-K"] if fs == "xfs" else ["-E", "nodiscard"]
        subprocess.run([tool(f"mkfs.{fs}"), "-q", *flags, *sized], check=True)
        return cls(Path(disk), fs, backend)

    def copy(self, to):
        """The disk as it is now, with holes where it has holes."""
        subprocess.run(["cp", "--sparse=always", self.disk, to], check=True)
        return to

    def call(self, place, call, around="{}"):
        """Makes a call; there is no answer where the place goes first."""
        self.in_flight = call
        said = place.do(around.format(call.line()), patience=300)
        if not call.is_answered(said):
            raise Wrong(f"{call} was refused: {said}\n{place.do('why')}")
        self.answered(said)

    def answered(self, said):
        self.state, self.in_flight = self.in_flight.after(self.state, said), None

    def cut(self, seen):
        """The power is gone, and this was seen of an answer: it may be a whole one."""
        if self.in_flight and self.in_flight.is_answered(seen):
            self.answered(seen)

    def place(self, machine, ullage):
        """Where it is looked at: here, where this kernel can replay its log and serve it, else in the guest."""
        return Outside(ullage) if self.backend.native else machine.start(raw(self.disk))

    def serve(self, place):
        """Mounts it and serves it, which puts in order what a power cut has left."""
        self.mount(place)
        place.do(self.backend.serve)

    def mount(self, place):
        place.do(f"attach {self.fs} {self.backend.options} {place.sees(self.disk)} /mnt/pool")

    def verify(self, place):
        """That every answer is true, and that there is nothing else; then the call that had no answer is made once more."""
        place.do("settle")
        seen = Seen(place.do("look"))
        call = self.in_flight
        outcomes = [self.state] if call is None or call.verb == "write" else [self.state, call.after(self.state)]
        complaints = [seen.complaints(state, self.backend, call) for state in outcomes]
        if all(complaints):
            text = "\n  or ".join("; ".join(said) for said in complaints)
            raise Wrong(f"{text}\n  in flight: {call}\n  answered: {told(self.state)}\n{seen.text}")
        self.found_done = complaints.index([]) == 1
        self.state = outcomes[self.found_done]
        if call is not None:
            self.repeat(place, call)

    def repeat(self, place, call):
        if call.verb == "write":  # an application's own affair
            place.do(f"rm -f /mnt/volumes/{call.name}/{call.file} && sync")
            self.in_flight = None
            return
        said = place.do(call.line())
        is_pending = call.is_pending(said) and not place.grows_mounted_ext4
        if not call.is_answered(said) and not call.is_done_already(said) and not is_pending:
            raise Wrong(f"{call}, in flight when the power went, is refused now: {said}\n{place.do('why')}")
        self.state, self.in_flight = call.after(self.state, said), None
        if is_pending:  # until it is mounted next
            self.leave(place)
            place.do(self.backend.serve)
            self.verify(place)

    def leave(self, place):
        """Serves it no more; the pool itself stays mounted."""
        place.do("stop && for mount in /mnt/volumes/*/; do [ ! -d $mount ] || umount $mount || exit; done")

    def examine(self, place):
        """That no checker of filesystems finds anything: in the volumes, and below them. Nothing is served or mounted there
        but the pool."""
        if self.backend.data == "image":
            for name, volume in self.state.items():
                image = f"/mnt/pool/volumes/{name}/image"
                place.do(f"examine {volume.fs} {image}")
                if (blocks := int(place.do(f"blocks {volume.fs} {image}"))) != volume.size * MIB // 4096:
                    raise Wrong(f"the {volume.fs} in {name} has {blocks} blocks, and should fill {volume.size} MiB")
        place.do(f"umount /mnt/pool && examine {self.fs} {place.sees(self.disk)}")


class Seen:
    """What `look` has printed."""

    def __init__(self, text):
        self.text, self.sections, section = text, {}, []
        for line in text.splitlines():
            if line.startswith("# "):
                section = self.sections.setdefault(line[2:], [])
            elif line:
                section.append(line)
        answered = json.loads(self.sections["volumes"][0])
        self.volumes = {volume["id"]: volume for volume in answered}
        by_path = lambda lines: {words[0]: words[1:] for words in (line.split() for line in lines)}
        self.totals, self.images = by_path(self.sections["totals"]), by_path(self.sections["images"])

    def complaints(self, state, backend, in_flight):
        """What is different from what was answered."""
        found = [f"said: {line}" for line in self.sections["complaints"]]

        def same(what, have, expected):
            surplus, missing = Counter(have) - Counter(expected), Counter(expected) - Counter(have)
            if surplus or missing:
                found.append(f"{what}: too much: {sorted(surplus)}, missing: {sorted(missing)}")

        # A directory has the filesystem of its pool.
        listed = [(name, volume["fs"] or "", volume["quota_mb"]) for name, volume in self.volumes.items()]
        same("volumes", listed, [(name, volume.fs or backend.pools[0], volume.size) for name, volume in state.items()])
        # Made and not yet mounted: a volume that was never answered. The same call mounts it.
        made = {in_flight.name} if in_flight and in_flight.verb == "create" else set()
        made = {name for name in made if name in self.volumes and self.volumes[name]["path"] is None}
        mounted = [name for name in state if name not in made]
        same("mounts", self.sections["mounts"], [f"/mnt/volumes/{name}" for name in mounted])
        data = [f"volumes/{name}{rest}" for name in state for rest in ("", "/volume.yaml", f"/{backend.data}")]
        same("paths", self.sections["paths"], [f"/mnt/pool/{path}" for path in ["pool.yaml", "trash", "volumes", *data]])
        images = mounted if backend.data == "image" else []
        same("devices", self.sections["devices"], [f"/mnt/pool/volumes/{name}/image" for name in images])
        self._check_files(state, in_flight, same)
        if backend.data == "data":
            self._check_limits(state, in_flight, same)
        for name in mounted:
            found += self._check_room(name, state[name].size * MIB, backend)
        return found

    def _check_files(self, state, in_flight, same):
        ignored = f"/mnt/volumes/{in_flight.name}/{in_flight.file}" if in_flight and in_flight.file else None
        have = [line for line in self.sections["files"] if line.split(maxsplit=1)[1] != ignored]
        expected = [
            f"{checksum}  /mnt/volumes/{name}/{file}"
            for name, volume in state.items()
            for file, checksum in volume.files.items()
        ]
        same("files", have, expected)

    def _check_limits(self, state, in_flight, same):
        """The kernel knows the projects of the volumes, and no others: each has its limit, its directory and its files."""
        of = {path.split("/")[-2]: int(number) for path, number in (line.split() for line in self.sections["ids"])}
        limits, inodes = {}, {}
        for kind, number, count, soft, hard in (line.split()[:5] for line in self.sections["projects"]):
            if number == "0" or count == soft == hard == "0":  # all that is no volume, and what has been one
                continue
            known, what = (limits, (int(soft), int(hard))) if kind == "b" else (inodes, int(count))
            known[int(number)] = what
        same("volumes with an id", list(of), list(state))
        numbers = {name: of.get(name, 0) for name in state}
        expected = {numbers[name]: (0, volume.size * MIB >> 10) for name, volume in state.items()}
        same("limits in KiB, soft and hard", limits.items(), expected.items())
        expected = {numbers[name]: 1 + len(volume.files) for name, volume in state.items()}
        if in_flight and in_flight.verb == "write":  # it may have been made, or not
            for counted in (inodes, expected):
                counted.pop(numbers[in_flight.name], None)
        same("inodes of projects", inodes.items(), expected.items())

    def _check_room(self, name, size, backend):
        if f"/mnt/volumes/{name}" not in self.totals:
            return
        blocks, block = map(int, self.totals[f"/mnt/volumes/{name}"])
        least = size // 2 if backend.data == "image" else size  # a filesystem of its own takes some of it
        if not least <= blocks * block <= size:
            yield f"{name} has room for {blocks * block} bytes, and should have {size}"
        if backend.data == "image" and (image := self.images.get(f"/mnt/pool/volumes/{name}/image")):
            length, sectors = map(int, image)
            if length != size or sectors * 512 < size:
                yield f"the image of {name} has {length} bytes, {sectors * 512} of them allocated, and should have {size}"


def told(state):
    return "; ".join(f"{name}: {volume}" for name, volume in sorted(state.items())) or "no volume"
