use nix::sys::utsname::uname;

/// Whether this kernel recovers the log of an XFS that had just grown: from Linux 6.13 on it looks at the superblock first.
pub(super) fn recovers_growth() -> bool {
    uname().is_ok_and(|name| version(&name.release().to_string_lossy()) >= (6, 13))
}

/// The first two numbers of a kernel's release; of one that says none, the oldest there is.
fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or_default());
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_as_new_as_its_release_says() {
        let cases = [
            ("6.12.57+deb13-amd64", (6, 12)),
            ("6.13-rc1", (6, 13)),
            ("7.0.0", (7, 0)),
            ("5.14.0-503.el9.x86_64", (5, 14)),
            ("", (0, 0)),
        ];
        for (release, expected) in cases {
            assert_eq!(version(release), expected, "{release}");
        }
    }
}
