/// Mount flags as a claim's StorageClass gives them (`mountOptions`), sorted by who has to know them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MountOptions {
    /// What belongs to one mount (`MOUNT_ATTR_*` of `fsmount(2)`).
    pub attributes: MountAttributes,
    /// What belongs to the filesystem, in the order given (`fsconfig(2)`): a flag, or a key with its value.
    pub filesystem: Vec<(String, Option<String>)>,
}

/// Attributes of one mount.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MountAttributes {
    /// No writes.
    pub read_only: bool,
    /// set-user-id bits are ignored.
    pub no_suid: bool,
    /// Device nodes do not open.
    pub no_dev: bool,
    /// Nothing here is executed.
    pub no_exec: bool,
    /// Access times are not written.
    pub no_atime: bool,
    /// Access times of directories are not written.
    pub no_diratime: bool,
    /// Access times are always written.
    pub strict_atime: bool,
    /// Symbolic links are not followed.
    pub no_symfollow: bool,
}

impl MountAttributes {
    /// No wish but that for writes, or for none.
    pub fn reading(read_only: bool) -> Self {
        Self { read_only, ..Self::default() }
    }
}

impl MountOptions {
    /// Sorts flags such as `noatime`, `discard`, `commit=60`; a flag may itself be a list with commas.
    ///
    /// What this kernel or filesystem does not know is refused when mounting, with the kernel's reason.
    pub fn from_flags<S: AsRef<str>>(flags: &[S]) -> Self {
        let mut options = Self::default();
        let words = flags.iter().flat_map(|flag| flag.as_ref().split(','));
        for word in words.map(str::trim).filter(|word| !word.is_empty()) {
            options.add(word);
        }
        options
    }

    fn add(&mut self, word: &str) {
        let attributes = &mut self.attributes;
        match word {
            "defaults" | "relatime" => {}
            "rw" => attributes.read_only = false,
            "ro" => attributes.read_only = true,
            "suid" => attributes.no_suid = false,
            "nosuid" => attributes.no_suid = true,
            "dev" => attributes.no_dev = false,
            "nodev" => attributes.no_dev = true,
            "exec" => attributes.no_exec = false,
            "noexec" => attributes.no_exec = true,
            "atime" => attributes.no_atime = false,
            "noatime" => attributes.no_atime = true,
            "diratime" => attributes.no_diratime = false,
            "nodiratime" => attributes.no_diratime = true,
            "strictatime" => attributes.strict_atime = true,
            "nosymfollow" => attributes.no_symfollow = true,
            _ => {
                let (key, value) = match word.split_once('=') {
                    Some((key, value)) => (key, Some(value.to_owned())),
                    None => (word, None),
                };
                self.filesystem.push((key.to_owned(), value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_flags_by_who_must_know_them() {
        let options = MountOptions::from_flags(&["noatime, nodev", "commit=60", "discard", "ro", "rw", "defaults"]);
        assert_eq!(options.attributes, MountAttributes { no_atime: true, no_dev: true, ..Default::default() });
        let expected = [("commit".to_owned(), Some("60".to_owned())), ("discard".to_owned(), None)];
        assert_eq!(options.filesystem, expected);
    }
}
