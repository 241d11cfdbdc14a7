use super::*;
use crate::csi::Refusal;

const XFS: Content = Content::Filesystem(FsKind::Xfs);
const EXT4: Content = Content::Filesystem(FsKind::Ext4);

type Pairs<'a> = &'a [(&'a str, &'a str)];
type OwnerCase<'a> = (Pairs<'a>, Option<(u32, u32, u32)>);
type FsCase<'a> = (Pairs<'a>, &'a [&'a str], Option<Bytes>, FsChoice, Content);

struct Asked<'a> {
    parameters: Pairs<'a>,
    fs_types: &'a [&'a str],
    block: bool,
    size: Option<Bytes>,
    fs: FsChoice,
}

impl Default for Asked<'_> {
    fn default() -> Self {
        Self { parameters: &[], fs_types: &[], block: false, size: Some(Bytes::gib(1)), fs: FsChoice::Auto }
    }
}

impl Asked<'_> {
    fn parse(&self) -> Result<Parsed, ParameterError> {
        let pools = [("first", Backend::Loop), ("second", Backend::Loop), ("fast", Backend::Quota)];
        let pools = pools.map(|(name, backend)| (PoolName::parse(name).unwrap(), backend));
        let owned = self.parameters.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        let parameters = owned.collect();
        let (fs_types, block, size) = (self.fs_types, self.block, self.size);
        let defaults = Defaults { fs: self.fs, ..Defaults::default() };
        parse(&Request { parameters: &parameters, fs_types, block, size }, &pools, &defaults)
    }
}

fn with(parameters: Pairs<'_>) -> Result<Parsed, ParameterError> {
    Asked { parameters, ..Asked::default() }.parse()
}

#[test]
fn the_keys_are_listed_sorted() {
    assert!(SUPPORTED.is_sorted());
}

#[test]
fn nothing_said_is_a_reserved_volume_in_the_first_pool() {
    let parsed = with(&[]).unwrap();
    let expected = Parsed {
        pool: PoolName::parse("first").unwrap(),
        backend: Backend::Loop,
        content: XFS,
        sparse: false,
        direct_io: true,
        inodes: None,
        warn_percent: None,
        owner: None,
        claim: Claim::default(),
    };
    assert_eq!(parsed, expected);
    let spec = parsed.into_spec("db".to_owned(), Bytes::gib(2));
    assert_eq!((spec.name.as_str(), spec.size, spec.content), ("db", Bytes::gib(2), XFS));
}

#[test]
fn everything_said_is_kept() {
    let parsed = with(&[
        ("pool", "second"),
        ("backend", "loop"),
        ("fs", " Ext4 "),
        ("sparse", "T"),
        ("directIo", "0"),
        ("gid", "42"),
        ("csi.storage.k8s.io/pvc/name", "data"),
        ("csi.storage.k8s.io/pvc/namespace", "shop"),
        ("csi.storage.k8s.io/pv/name", "pvc-1"),
    ]);
    let expected = Parsed {
        pool: PoolName::parse("second").unwrap(),
        backend: Backend::Loop,
        content: EXT4,
        sparse: true,
        direct_io: false,
        inodes: None,
        warn_percent: None,
        owner: Some(Owner { uid: 0, gid: 42, mode: 0o755 }),
        claim: Claim { name: Some("data".into()), namespace: Some("shop".into()), volume: Some("pvc-1".into()) },
    };
    assert_eq!(parsed, Ok(expected));
}

#[test]
fn an_owner_is_set_where_any_part_of_it_is_given() {
    let cases: [OwnerCase<'_>; 5] = [
        (&[("uid", ""), ("gid", ""), ("mode", "")], None),
        (&[("uid", "0")], Some((0, 0, 0o755))),
        (&[("uid", "7"), ("gid", ""), ("mode", "")], Some((7, 0, 0o755))),
        (&[("mode", "2770")], Some((0, 0, 0o2770))),
        (&[("uid", "1"), ("gid", "2"), ("mode", "0700")], Some((1, 2, 0o700))),
    ];
    for (parameters, expected) in cases {
        let expected = expected.map(|(uid, gid, mode)| Owner { uid, gid, mode });
        assert_eq!(with(parameters).unwrap().owner, expected, "{parameters:?}");
    }
}

#[test]
fn the_filesystem_is_the_one_agreed_on_or_fits_the_size() {
    let (small, edge) = (Some(Bytes::mib(300).saturating_sub(Bytes::new(4096))), Some(Bytes::mib(300)));
    let auto = FsChoice::Auto;
    let cases: [FsCase<'_>; 9] = [
        (&[], &[""], small, auto, EXT4),
        (&[], &[], edge, auto, XFS),
        (&[], &[], edge, FsChoice::Always(FsKind::Ext4), EXT4),
        (&[("fs", "XFS")], &["xfs", ""], edge, auto, XFS),
        (&[("csi.storage.k8s.io/fstype", "ext4")], &[], edge, auto, EXT4),
        (&[("fs", ""), ("csi.storage.k8s.io/fstype", " ")], &["eXt4"], edge, auto, EXT4),
        (&[("fs", "ext4")], &[], edge, FsChoice::Always(FsKind::Xfs), EXT4),
        (&[], &[], None, auto, XFS),
        (&[("fs", "xfs")], &[], None, auto, XFS),
    ];
    for (parameters, fs_types, size, fs, expected) in cases {
        let parsed = Asked { parameters, fs_types, size, fs, block: false }.parse().unwrap();
        assert_eq!(parsed.content, expected, "{parameters:?} {fs_types:?} {size:?}");
    }
}

#[test]
fn a_block_volume_does_not_look_at_what_only_a_filesystem_has() {
    let parameters: &[_] = &[("fs", "xfs"), ("uid", "x"), ("mode", "0"), ("sparse", "true")];
    let asked = Asked { parameters, fs_types: &["ext4"], block: true, size: Some(Bytes::mib(20)), fs: FsChoice::Auto };
    let parsed = asked.parse().unwrap();
    assert_eq!((parsed.content, parsed.owner, parsed.sparse), (Content::Block, None, true));
    assert!(Asked { parameters: &[("sparse", "yes")], ..asked }.parse().is_err());
}

#[test]
fn every_refusal_has_its_words() {
    let cases: [(Pairs<'_>, &str); 15] = [
        (
            &[("y", ""), ("Fs", "xfs"), ("x", "1"), ("csi.storage.k8s.io/other", "")],
            "options 'Fs, csi.storage.k8s.io/other, x, y' are not among supported ones: backend, \
             csi.storage.k8s.io/fstype, csi.storage.k8s.io/pv/name, csi.storage.k8s.io/pvc/name, \
             csi.storage.k8s.io/pvc/namespace, directIo, fs, gid, inodeLimit, mode, pool, sparse, uid, warnPercent",
        ),
        (&[("pool", "third")], "pool 'third' is not among those of this node: first, second, fast"),
        (&[("pool", "")], "pool '' is not among those of this node: first, second, fast"),
        (&[("backend", "zfs")], "only the backends loop and quota are supported, 'zfs' requested"),
        (&[("backend", "quota"), ("pool", "first")], "backend 'quota' is not that of pool 'first'"),
        (
            &[("inodeLimit", "auto")],
            "'inodeLimit' is not there in pool 'first': the filesystem in its image has as many inodes as mkfs gives it",
        ),
        (&[("warnPercent", "100")], "'warnPercent' option should be a whole number from 1 to 99, but received '100'"),
        (&[("fs", "foo")], "only xfs and ext4 filesystems are supported, 'foo' requested"),
        (&[("csi.storage.k8s.io/fstype", "foo")], "only xfs and ext4 filesystems are supported, 'foo' requested"),
        (
            &[("fs", "xfs"), ("csi.storage.k8s.io/fstype", "ext4")],
            "filesystems do not agree: 'xfs' by parameter fs, 'ext4' by parameter csi.storage.k8s.io/fstype",
        ),
        (&[("uid", "-1")], "'uid' option should be >= 0 but received '-1'"),
        (&[("gid", "x")], "cannot parse 'gid' option value 'x' as an integer: invalid digit found in string"),
        (&[("mode", "0")], "mode value '0' does not fall between 0 and 7777 in octal encoding"),
        (&[("mode", "x")], "cannot parse mode 'x' as positive 4-position octal: invalid digit found in string"),
        (
            &[("directIo", "on")],
            "'directIo' option should be one of 1, t, T, TRUE, true, True, 0, f, F, FALSE, false, False but received 'on'",
        ),
    ];
    for (parameters, text) in cases {
        let error = with(parameters).unwrap_err();
        assert_eq!((error.refusal(), error.to_string().as_str()), (Refusal::InvalidArgument, text));
    }
}

#[test]
fn xfs_asked_for_below_its_size_is_out_of_range() {
    let size = Some(Bytes::mib(299));
    let text = "requested size '313524224' is smaller than the minimum of 300Mi for xfs";
    let by_key = Asked { parameters: &[("fs", "xfs")], size, ..Asked::default() };
    let by_capability = Asked { fs_types: &["xfs"], size, ..Asked::default() };
    let by_default = Asked { fs: FsChoice::Always(FsKind::Xfs), size, ..Asked::default() };
    for asked in [by_key, by_capability, by_default] {
        let error = asked.parse().unwrap_err();
        assert_eq!((error.refusal(), error.to_string().as_str()), (Refusal::OutOfRange, text));
    }
    let error = Asked { parameters: &[("fs", "ext4")], fs_types: &["xfs"], ..Asked::default() }.parse().unwrap_err();
    let text = "filesystems do not agree: 'ext4' by parameter fs, 'xfs' by the capability's fs_type";
    assert_eq!(error.to_string(), text);
}

#[test]
fn a_pool_of_limits_has_no_images() {
    let parsed = with(&[("backend", "quota"), ("inodeLimit", "auto"), ("warnPercent", "70%"), ("uid", "7")]).unwrap();
    assert_eq!((parsed.pool.as_str(), parsed.sparse, parsed.direct_io), ("fast", false, false));
    assert_eq!((parsed.inodes, parsed.warn_percent), (Some(InodeLimit::Auto), Some(70)));
    let fast = |parameter| Asked { parameters: parameter, ..Asked::default() };
    let cases: [(Asked<'_>, &str); 6] = [
        (fast(&[("pool", "fast"), ("sparse", "true")]), "'sparse' is not there in pool 'fast': a limit takes no space"),
        (fast(&[("pool", "fast"), ("fs", "xfs")]), "'fs' is not there in pool 'fast': its volumes are directories"),
        (
            fast(&[("pool", "fast"), ("directIo", "false")]),
            "'directIo' is not there in pool 'fast': its volumes have no",
        ),
        (fast(&[("pool", "fast"), ("inodeLimit", "1")]), "'inodeLimit' option should be auto"),
        (Asked { block: true, ..fast(&[("pool", "fast")]) }, "'volumeMode: Block' is not there in pool 'fast'"),
        (Asked { fs_types: &["ext4"], ..fast(&[("pool", "fast")]) }, "'the capability's fs_type' is not there"),
    ];
    for (asked, text) in cases {
        let error = asked.parse().unwrap_err();
        assert_eq!(error.refusal(), Refusal::InvalidArgument);
        assert!(error.to_string().starts_with(text), "{error}");
    }
}
