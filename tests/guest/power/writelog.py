"""What QEMU's blklogwrites has recorded: all that was written to a disk, and when it was flushed, in order.

The format is that of dm-log-writes: a superblock, and for each request an entry of one sector with its data behind it.
"""

import os
import re
import struct
from dataclasses import dataclass

MAGIC, VERSION = 0x6A736677736872, 1
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
BLOCK = 4096  # what a disk writes whole


@dataclass(frozen=True)
class Entry:
    """A request: a write, or without length a flush. `data` is where its bytes lie in the log."""

    at: int
    length: int
    flags: int
    data: int

    @property
    def is_flush(self):
        return bool(self.flags & FLUSH)


class WriteLog:
    def __init__(self, path):
        self.file = open(path, "rb")
        # How many entries there are the superblock does not say: QEMU writes that down now and then only.
        magic, version, _, self.sector = struct.unpack("<QQQI", self._read(0, 28))
        if (magic, version) != (MAGIC, VERSION):
            raise ValueError(f"{path} is no log of writes: magic {magic:#x}, version {version}")
        self.entries, at, end = [], self.sector, os.fstat(self.file.fileno()).st_size
        while at + self.sector <= end:
            sector, sectors, flags, data_length = struct.unpack("<QQQQ", self._read(at, 32))
            if not sectors and not flags:
                break
            at += self.sector
            entry = Entry(sector * self.sector, sectors * self.sector, flags, at)
            self.entries.append(entry)
            if flags & MARK:
                at += data_length
            elif not flags & DISCARD:
                at += entry.length

    def _read(self, at, length):
        return os.pread(self.file.fileno(), length, at)

    def flushes(self):
        """Where in the log the flushes are."""
        return [number for number, entry in enumerate(self.entries) if entry.is_flush]

    def marks(self, at):
        """Where in the log the guest has written which number at that place of the disk: number to position."""
        found = {}
        for position, entry in enumerate(self.entries):
            if entry.at == at and entry.length and (mark := re.match(rb"ullage mark (\d+) ", self._read(entry.data, 64))):
                found[int(mark[1])] = position
        return found

    def replay(self, disk, start, end):
        """Does to a disk what stands between two positions."""
        for entry in self.entries[start:end]:
            self._apply(disk, entry)

    def lose(self, disk, start, end, random):
        """The same as far as it goes: of each write the disk has kept all, nothing, or some blocks."""
        kept = 0
        for entry in self.entries[start:end]:
            fate = random.choice(["kept", "lost", "torn"])
            if fate == "kept":
                self._apply(disk, entry)
            elif fate == "torn":
                for offset in range(0, entry.length, BLOCK):
                    if random.random() < 0.5:
                        self._apply(disk, entry, offset, min(BLOCK, entry.length - offset))
            kept += fate == "kept"
        return kept

    def _apply(self, disk, entry, offset=0, length=None):
        length = entry.length if length is None else length
        if not length:
            return
        content = bytes(length) if entry.flags & DISCARD else self._read(entry.data + offset, length)
        os.pwrite(disk.fileno(), content, entry.at + offset)
