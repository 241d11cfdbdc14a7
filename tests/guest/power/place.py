"""A shell somewhere else, which does what it is told line by line: in the guest, or in namespaces of this machine."""

import itertools
import json
import os
import queue
import re
import shlex
import socket
import subprocess
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
VM = HERE.parent / "vm"
NUMBERS = itertools.count()  # of guests: two may run at a time
# What the shell needs in the guest beside busybox. perl is there for one system call.
TOOLS = "mkfs.ext4 mkfs.xfs e2fsck resize2fs e2undo xfs_repair xfs_quota perl".split()
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


class Gone(Exception):
    """The place is not there any more; what it had printed of its answer is the argument."""


class Refused(Exception):
    """What was to be done was not; the argument is what, how it ended, and what it printed."""


def tool(name):
    """Where a program of this machine is."""
    for directory in PATH.split(":"):
        if (found := Path(directory, name)).is_file():
            return found
    raise SystemExit(f"power: {name} is missing: tests/prepare installs it")


class Place:
    """A process that reads lines and answers them."""

    grows_mounted_ext4 = True

    def __init__(self, command, **options):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, errors="replace", **options
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def do(self, line, patience=60):
        """What a line of shell prints; it must succeed."""
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Gone("") from None
        printed, end = [], time.monotonic() + patience
        while True:
            try:
                got = self.lines.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                raise Refused(f"{line}: no end within {patience} s\n" + "\n".join(printed)) from None
            if got is None:
                raise Gone("\n".join(printed))
            if got.startswith("@@"):
                break
            printed.append(got)
        said = "\n".join(printed)
        if got != "@@0":
            raise Refused(f"{line}: ended with {got[2:]}\n{said}")
        return said

    def kill(self):
        """Ends it at once, without a warning."""
        self.process.kill()
        self.process.wait()


class Outside(Place):
    """This machine's own kernel, in namespaces that nobody else sees, and that go with all that is mounted in them."""

    # It takes CAP_SYS_RESOURCE, which root may lack.
    grows_mounted_ext4 = bool(int(re.search(r"CapEff:\s*(\w+)", Path("/proc/self/status").read_text())[1], 16) & 1 << 24)

    def __init__(self, program):
        apart = "unshare --mount --pid --fork --kill-child --net --mount-proc".split()
        path = f"{program.parent}:{PATH}"
        super().__init__([*apart, "busybox", "sh", str(HERE / "shell")], env={"PATH": path, "HOME": "/tmp"})
        self.do("mount -t tmpfs tmp /mnt && mkdir /mnt/pool /mnt/volumes && ip link set lo up")

    def sees(self, disk):
        """Under which name a disk is there."""
        return shlex.quote(str(disk))


class Guest(Place):
    """The guest, with a disk. Killed, it loses its power."""

    def __init__(self, machine, disk, *more):
        monitor = machine.directory / f"monitor-{next(NUMBERS)}"
        qmp = f"unix:{monitor},server=on,wait=off"
        command = [machine.directory / "start", *disk, "-device", "virtio-blk-pci,drive=disk", "-qmp", qmp, *more]
        super().__init__(command)
        self.channel = self._connect(monitor).makefile("rw")
        self.channel.readline()
        self.tell("qmp_capabilities")

    def _connect(self, monitor):
        for _ in range(200):
            channel = socket.socket(socket.AF_UNIX)
            try:
                channel.connect(str(monitor))
                return channel
            except OSError:
                time.sleep(0.02)
        self.kill()
        raise SystemExit("power: QEMU does not start")

    def tell(self, command, **words):
        """Gives QEMU itself an order."""
        self.channel.write(json.dumps({"execute": command, "arguments": words}) + "\n")
        self.channel.flush()
        while True:
            answer = json.loads(self.channel.readline() or '{"error": "gone"}')
            if "error" in answer:
                raise Gone(f"QEMU: {command}: {answer['error']}")
            if "return" in answer:
                return answer["return"]

    def sees(self, _):
        """Under which name its disk is there."""
        return "/dev/vda"


class Machine:
    """The guest, booted once: every start goes on from there, with another disk, in a second instead of ten. Its memory
    was written down before anything had read from a disk."""

    def __init__(self, directory, program, size):
        self.directory, self.state = Path(directory), Path(directory) / "memory"
        with_tools = [word for name in TOOLS for word in ("--with", f"{tool(name)}:/usr/sbin/{name}")]
        with_tools += ["--with", f"{program}:/usr/bin/ullage"]
        environment = {**os.environ, "MEM": os.environ.get("MEM", "1G")}
        subprocess.run([VM, "make", directory, *with_tools, "--", HERE / "shell"], check=True, env=environment)
        blank = self.directory / "blank"
        blank.touch()
        os.truncate(blank, size)
        guest = Guest(self, raw(blank))
        try:
            self._write_down(guest)
        finally:
            guest.kill()

    def _write_down(self, guest):
        guest.do("mkdir /mnt/pool /mnt/volumes", patience=300)
        guest.tell("stop")
        guest.tell("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        guest.tell("migrate", uri=f"exec:cat > {shlex.quote(str(self.state))}")
        while (status := guest.tell("query-migrate")["status"]) != "completed":
            if status == "failed":
                raise SystemExit("power: the guest's memory cannot be written down")
            time.sleep(0.02)

    def start(self, disk):
        """The guest with that disk, freshly started."""
        guest = Guest(self, disk, "-incoming", f"exec:cat {shlex.quote(str(self.state))}")
        try:
            self._wake(guest)
        except BaseException:
            guest.kill()
            raise
        return guest

    def _wake(self, guest):
        while guest.tell("query-status")["status"] == "inmigrate":
            time.sleep(0.01)
        guest.tell("cont")
        # Not what another start has seen: the time, random numbers (RNDRESEEDCRNG), and the first sectors of the disk.
        guest.do(
            f"date -s @{time.time():.0f}; echo {os.urandom(32).hex()} >/dev/urandom;"
            "perl -e 'open(R, q(>), q(/dev/urandom)) && defined(ioctl(R, 0x5207, 0)) || die($!)' &&"
            "blockdev --flushbufs /dev/vda && echo 3 >/proc/sys/vm/drop_caches"
        )


def raw(disk):
    """QEMU's words for a disk that keeps whatever it was given, flushed or not: this machine goes on, so nothing waits for its
    own disk."""
    return ["-drive", f"file={disk},if=none,id=disk,format=raw,cache=unsafe"]


def recorded(disk, log):
    """The same, and everything that is written to it or flushed is written down, in this order."""
    Path(log).touch()
    nodes = [f"{node}.driver=file,{node}.filename={file},{node}.cache.no-flush=on" for node, file in (("file", disk), ("log", log))]
    return ["-blockdev", ",".join(["driver=blklogwrites,node-name=disk", *nodes])]
