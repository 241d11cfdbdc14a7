use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::*;
use crate::config::{Error, FsChoice};
use crate::model::{Bytes, FsKind};

const FULL: &str = "\
driverName: csi.example.org
nodeName: n1
pools:
  - name: default
    path: /nowhere/ullage/default
    backend: loop
    requireMountPoint: true
    reserve: 10Gi
    overcommit: 2.0
  - { name: second, path: /nowhere/ullage/second/ }
defaults: { size: 2Gi, fs: ext4 }
";

fn parse(text: &str) -> Result<Config, Error> {
    Config::parse(text, "config.yaml", &Overrides::default())
}

fn said(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn a_full_file_means_what_it_says() {
    let config = parse(FULL).unwrap();
    assert_eq!(config.topology_key(), "csi.example.org/node");
    assert_eq!(config.node_name.as_deref(), Some("n1"));
    assert_eq!(config.defaults, Defaults { size: Bytes::gib(2), fs: FsChoice::Always(FsKind::Ext4) });
    let [first, second] = config.pools.as_slice() else { panic!("{config:?}") };
    assert!(first.require_mount_point);
    assert_eq!((first.reserve, first.overcommit), (Reserve::Amount(Bytes::gib(10)), Overcommit::Ratio(200)));
    assert_eq!(second.path, Path::new("/nowhere/ullage/second"));
    assert_eq!((second.reserve, second.overcommit), (Reserve::Share(500), Overcommit::Unlimited));
}

#[test]
fn the_words_for_the_defaults_may_be_written_out() {
    let pool = "name: default, path: /nowhere/a";
    let long = format!(
        "pools: [{{{pool}, backend: loop, requireMountPoint: false, reserve: 5%, overcommit: unlimited}}]\n\
         defaults: {{size: 1Gi, fs: auto}}\n"
    );
    assert_eq!(parse(&long).unwrap(), parse(&format!("pools: [{{{pool}}}]\n")).unwrap());
}

#[test]
fn a_fault_of_form_names_the_line() {
    let cases = [
        ("colour: red\npools: []\n", "config.yaml: line 1, column 1: unknown field `colour`"),
        ("pools:\n  - name: a\n    path: /a\n    size: 1\n", "config.yaml: line 4, column 5: pools[0]: unknown field"),
        ("pools:\n  - name: a\n", "config.yaml: line 2, column 5: pools[0]: missing field `path`"),
        (
            "pools:\n  - {name: a, path: /a,\n     requireMountPoint: maybe}\n",
            "config.yaml: line 3, column 25: pools[0].requireMountPoint: invalid type: string \"maybe\", expected a boolean",
        ),
        ("nodeName: a\nnodeName: b\n", "config.yaml: line 1, column 1: duplicate field `nodeName`"),
    ];
    for (text, expected) in cases {
        assert!(said(text).starts_with(expected), "{text}: {}", said(text));
    }
}

#[test]
fn faults_of_meaning_are_told_all_at_once_with_key_and_value() {
    let text = "\
driverName: CSI
nodeName: n/1
pools:
  - { name: a, path: /nowhere/a, reserve: 101%, overcommit: 0.5 }
  - { name: a b, path: nowhere/b, image: { file: here.img, size: 1Gi } }
  - { name: c, path: /nowhere/c }
  - { name: c, path: /nowhere/./c/ }
  - { name: d, path: /nowhere/c/d, backend: zfs }
  - { name: e, path: /nowhere/c/e }
defaults: { size: 19M, fs: btrfs }
";
    let expected = [
        "driverName: 'CSI' is not a driver name",
        "nodeName: 'n/1' is not a node name",
        "pools[0].reserve: '101%' is not a share: write 0% to 100%, with at most two decimals",
        "pools[0].overcommit: '0.5' is not a ratio",
        "pools[1].name: 'a b' is not a pool name",
        "pools[1].path: 'nowhere/b' is not an absolute path",
        "pools[1].image: only a pool with backend quota has it",
        "pools[1].image.file: 'here.img' is not an absolute path",
        "pools[4].backend: 'zfs' is not a backend: write loop or quota",
        "pools[3].name: 'c' is already the name of pools[2]",
        "pools[3].path: '/nowhere/c' is the same as '/nowhere/c', the directory of pools[2]",
        "pools[5].path: '/nowhere/c/e' lies in '/nowhere/c', the directory of pools[2]",
        "pools[5].path: '/nowhere/c/e' lies in '/nowhere/c', the directory of pools[3]",
        "defaults.size: '19M' is smaller than the smallest volume, 20MB",
        "defaults.fs: 'btrfs' is not a filesystem made here: write auto, xfs or ext4",
    ];
    let said = said(text);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{said}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(&format!("config.yaml: {expected}")), "{line}\nwanted: {expected}");
    }
}

#[test]
fn no_pool_is_a_fault() {
    for text in ["", "{}", "pools: []", "pools:", "nodeName: n1"] {
        assert!(said(text).starts_with("config.yaml: pools: there is none"), "{text:?}: {}", said(text));
    }
}

#[test]
fn flags_go_before_the_environment_and_that_before_the_file() {
    let pool = "pools: [{name: a, path: /a}]\n";
    let both = format!("nodeName: file\ndriverName: file.dev\n{pool}");
    let (flag, env) = (Some("flag".to_owned()), Some("env".to_owned()));
    let names = |text: &str, overrides: &Overrides| {
        let config = Config::parse(text, "config.yaml", overrides).unwrap();
        (config.driver_name, config.node_name)
    };
    let owned = |(driver, node): (&str, &str)| (driver.to_owned(), Some(node.to_owned()));

    let mut overrides = Overrides { driver_name: flag.clone(), node_name: flag, node_env: env };
    assert_eq!(names(&both, &overrides), owned(("flag", "flag")));
    for unsaid in [None, Some(String::new())] {
        (overrides.node_name, overrides.driver_name) = (unsaid.clone(), unsaid);
        assert_eq!(names(&both, &overrides), owned(("file.dev", "env")));
    }
    overrides.node_env = Some(String::new());
    assert_eq!(names(&both, &overrides), owned(("file.dev", "file")));
    assert_eq!(names(pool, &overrides), (Config::DRIVER_NAME.to_owned(), None));

    overrides.node_name = Some("a b".to_owned());
    let error = Config::parse(&both, "config.yaml", &overrides).unwrap_err().to_string();
    assert!(error.contains("--node-name: 'a b' is not a node name"), "{error}");
}

#[test]
fn one_directory_is_enough_to_stand_alone() {
    let config = Config::standalone(Path::new("/nowhere/pool"), "quota", &Overrides::default()).unwrap();
    assert_eq!((config.driver_name.as_str(), config.node_name), (Config::DRIVER_NAME, None));
    assert_eq!(config.pools.len(), 1);
    assert_eq!(config.pools[0].name.as_str(), "default");
    assert_eq!((config.pools[0].path.as_path(), config.pools[0].backend), (Path::new("/nowhere/pool"), Backend::Quota));
    let relative = Config::standalone(Path::new("pool"), "loop", &Overrides::default()).unwrap();
    assert!(relative.pools[0].path.is_absolute());
    let error = Config::standalone(Path::new(OsStr::from_bytes(b"/\xff")), "loop", &Overrides::default()).unwrap_err();
    assert!(error.to_string().starts_with("command line: --pool: "), "{error}");
    let error = Config::standalone(Path::new("/pool"), "quote", &Overrides::default()).unwrap_err();
    assert!(error.to_string().starts_with("command line: --backend: 'quote' is not a backend"), "{error}");
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::read(Path::new("/nowhere/config.yaml"), &Overrides::default()).unwrap_err();
    assert_eq!(error.to_string(), "/nowhere/config.yaml: No such file or directory (os error 2)");
}

#[test]
fn a_pool_of_limits_promises_no_more_than_there_is_and_may_have_an_image() {
    let text = "pools:\n- { name: a, path: /nowhere/a, backend: quota }\n- name: b\n  path: /nowhere/b\n  backend: quota\n  \
                overcommit: '2'\n  projectIds: 1000-2000\n  projectsFile: true\n  projectsDirectory: /host/etc\n  \
                image: { file: /nowhere/b.img, size: 100Gi }\n";
    let config = Config::parse(text, "config.yaml", &Overrides::default()).unwrap();
    let [a, b] = &config.pools[..] else { panic!("{config:?}") };
    assert_eq!((a.overcommit, &a.limits), (Overcommit::NONE, &LimitSettings::default()));
    let image = PoolImage { file: "/nowhere/b.img".into(), size: Bytes::gib(100) };
    let limits = LimitSettings {
        projects: ProjectRange::parse("1000-2000").unwrap(),
        etc: "/host/etc".into(),
        writes_names: true,
        image: Some(image),
    };
    assert_eq!((b.overcommit, &b.limits), (Overcommit::Ratio(200), &limits));
}
