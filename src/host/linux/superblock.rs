use std::fs::File;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;

use super::failure::Named;
use crate::host::{Error, LoopDevice, Result};
use crate::model::Bytes;

/// The superblock of an ext4, read through the page cache of its device: that of a mounted one is always current.
pub(super) struct Ext4([u8; 1024]);

/// The smallest last group that ext4 makes has so many blocks beside its own bookkeeping.
const LEAST_OF_GROUP: u64 = 50;

impl Ext4 {
    pub(super) fn read(device: LoopDevice) -> Result<Self> {
        let path = device.path();
        let mut bytes = [0; 1024];
        File::open(&path).of("open", &path)?.read_exact_at(&mut bytes, 1024).of("read", &path)?;
        let found = Self(bytes);
        match found.number16(0x38) {
            0xEF53 => Ok(found),
            _ => Err(Error::call("read", path, Errno::EUCLEAN)),
        }
    }

    /// `s_error_count`.
    pub(super) fn error_count(&self) -> u64 {
        self.number(0x194)
    }

    /// To how many blocks it can grow on a device of that size; `None` where it fills it.
    pub(super) fn room_on(&self, device: Bytes) -> Option<u64> {
        let blocks = self.blocks();
        let wanted = device.get() / self.block_size();
        let is_at_group_end = blocks.is_multiple_of(self.group_blocks());
        let is_scrap =
            is_at_group_end && wanted.saturating_sub(blocks) < self.least_group(blocks / self.group_blocks());
        (wanted > blocks && !is_scrap).then_some(wanted)
    }

    /// What the tools leave unused at the end of a device, being too little for a group of its own.
    fn least_group(&self, group: u64) -> u64 {
        let inode_table = (self.number(0x28) * self.number16(0x58)).div_ceil(self.block_size());
        let bookkeeping = 2 + inode_table;
        let backup = if has_backup(group) { 1 + self.descriptor_blocks(group) + self.number16(0xCE) } else { 0 };
        bookkeeping + backup + LEAST_OF_GROUP
    }

    fn descriptor_blocks(&self, groups: u64) -> u64 {
        let descriptor = if self.is_64bit() { self.number16(0xFE).max(32) } else { 32 };
        ((groups + 1) * descriptor).div_ceil(self.block_size())
    }

    fn blocks(&self) -> u64 {
        let high = if self.is_64bit() { self.number(0x150) } else { 0 };
        high << 32 | self.number(0x4)
    }

    fn block_size(&self) -> u64 {
        1024 << self.number(0x18).min(6)
    }

    fn group_blocks(&self) -> u64 {
        self.number(0x20).max(1)
    }

    fn is_64bit(&self) -> bool {
        self.number(0x60) & 0x80 != 0
    }

    fn number(&self, at: usize) -> u64 {
        self.number16(at + 2) << 16 | self.number16(at)
    }

    fn number16(&self, at: usize) -> u64 {
        u64::from(u16::from_le_bytes([self.0[at], self.0[at + 1]]))
    }
}

/// Groups 0, 1 and the powers of 3, 5 and 7 hold a copy of the superblock (`sparse_super`).
fn has_backup(group: u64) -> bool {
    let is_power_of =
        |base: u64| std::iter::successors(Some(base), |power| power.checked_mul(base)).any(|power| power == group);
    group <= 1 || [3, 5, 7].into_iter().any(is_power_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As mke2fs makes it: 4096-byte blocks, groups of 128 MiB with 8192 inodes of 256 bytes.
    fn superblock(blocks: u32) -> Ext4 {
        let mut bytes = [0; 1024];
        for (at, number) in [(0x4, blocks), (0x18, 2), (0x20, 32768), (0x28, 8192), (0x58, 256)] {
            bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        Ext4(bytes)
    }

    #[test]
    fn grows_to_the_device() {
        assert_eq!(superblock(1000).room_on(Bytes::new(1000 * 4096)), None);
        assert_eq!(superblock(1000).room_on(Bytes::new(1001 * 4096)), Some(1001));
        assert_eq!(superblock(1000).room_on(Bytes::new(999 * 4096)), None);
    }

    #[test]
    fn leaves_a_scrap_that_is_too_small_for_a_group() {
        let filled = superblock(2 * 32768);
        assert_eq!(filled.room_on(Bytes::mib(257)), None);
        assert_eq!(filled.room_on(Bytes::mib(260)), Some(260 << 8));
    }

    #[test]
    fn knows_the_groups_with_a_backup() {
        let with: Vec<_> = (0..30).filter(|group| has_backup(*group)).collect();
        assert_eq!(with, [0, 1, 3, 5, 7, 9, 25, 27]);
    }
}
