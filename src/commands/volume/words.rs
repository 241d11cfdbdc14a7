//! A volume in words.

use crate::model::Bytes;
use crate::rpc::admin::{Claim, Fault, Mount, Usage, Volume};

/// Where it is mounted.
pub(super) fn mounted(volume: &Volume) -> String {
    let paths: Vec<_> = volume.mounts.iter().map(|mount| mount.path.as_str()).collect();
    if paths.is_empty() { "-".to_owned() } else { paths.join(" ") }
}

/// `ok`, or the stable names of what is wrong.
pub(super) fn health(volume: &Volume) -> String {
    let reasons: Vec<_> = volume.faults.iter().map(|fault| fault.reason.as_str()).collect();
    if reasons.is_empty() { "ok".to_owned() } else { reasons.join(",") }
}

/// How much of what a writer could have is taken, as `df` counts: rounded up.
pub(super) fn share(usage: &Usage) -> Option<String> {
    let whole = usage.used_bytes.checked_add(usage.available_bytes).filter(|whole| *whole > 0)?;
    Some(format!("{}%", (u128::from(usage.used_bytes) * 100).div_ceil(whole.into())))
}

/// How a volume is held to its size.
pub(super) fn held(volume: &Volume) -> &'static str {
    match (volume.project_id, volume.sparse) {
        (Some(_), _) => "limited",
        (None, true) => "sparse",
        (None, false) => "reserved",
    }
}

/// Everything there is to say, line by line.
pub(super) fn everything(volume: &Volume) -> Vec<[String; 2]> {
    let is_image = volume.project_id.is_none();
    let held = held(volume);
    let mut lines = Lines::default();
    lines.add("name", &volume.name);
    lines.add("id", &volume.id);
    lines.add("pool", format!("{} ({})", volume.pool, volume.backend));
    lines.add("content", &volume.content);
    lines.add("size", format!("{} ({} bytes)", Bytes::new(volume.size_bytes), volume.size_bytes));
    lines.add("on disk", format!("{}, {held}", Bytes::new(volume.allocated_bytes)));
    if let Some(usage) = &volume.usage {
        lines.add("used", used(usage));
        lines.add("inodes", format!("{} of {}", usage.inodes_used, usage.inodes_total));
    }
    if let Some(limit) = volume.inode_limit {
        lines.add("inode limit", limit.to_string());
    }
    if let Some(percent) = volume.warn_percent {
        lines.add("warning", format!("above {percent}%"));
    }
    if let Some(project) = volume.project_id {
        lines.add("project", project.to_string());
    }
    if is_image {
        lines.add("device", if volume.device.is_empty() { "not attached" } else { &volume.device });
    }
    lines.each("mounted", volume.mounts.iter().map(mount), "nowhere");
    if is_image {
        lines.add("direct I/O", if volume.direct_io { "on" } else { "off" });
    }
    if let Some(owner) = owner(volume) {
        lines.add("owner", owner);
    }
    if let Some(claim) = &volume.claim {
        lines.add("claim", claimed(claim));
    }
    lines.add("made", &volume.created_at);
    lines.add("phase", &volume.phase);
    lines.each("health", volume.faults.iter().map(fault), "ok");
    lines.0
}

/// Words and what they say.
#[derive(Default)]
struct Lines(Vec<[String; 2]>);

impl Lines {
    fn add(&mut self, word: &str, text: impl Into<String>) {
        self.0.push([word.to_owned(), text.into()]);
    }

    /// One line each, with the word before the first.
    fn each(&mut self, word: &str, texts: impl Iterator<Item = String>, none: &str) {
        let before = self.0.len();
        texts.for_each(|text| self.add("", text));
        match self.0.get_mut(before) {
            Some([first, _]) => *first = word.to_owned(),
            None => self.add(word, none),
        }
    }
}

fn used(usage: &Usage) -> String {
    let (used, available) = (Bytes::new(usage.used_bytes), Bytes::new(usage.available_bytes));
    format!("{used} of {}, {available} available", Bytes::new(usage.total_bytes))
}

fn mount(mount: &Mount) -> String {
    if mount.read_only { format!("{} (read-only)", mount.path) } else { mount.path.clone() }
}

fn fault(fault: &Fault) -> String {
    format!("{}: {}", fault.reason, fault.message)
}

fn owner(volume: &Volume) -> Option<String> {
    let Volume { uid: Some(uid), gid: Some(gid), mode: Some(mode), .. } = volume else { return None };
    Some(format!("{uid}:{gid}, mode {mode:04o}"))
}

fn claimed(claim: &Claim) -> String {
    let Claim { name, namespace, volume } = claim;
    if volume.is_empty() { format!("{namespace}/{name}") } else { format!("{namespace}/{name}, as {volume}") }
}

#[cfg(test)]
mod tests {
    use super::super::output::columns;
    use super::*;

    #[test]
    fn everything_is_said_in_words() {
        let mount = |path: &str, read_only| Mount { path: path.into(), read_only };
        let volume = Volume {
            name: "db".into(),
            id: "db".into(),
            pool: "default".into(),
            backend: "loop".into(),
            content: "ext4".into(),
            size_bytes: 2 << 30,
            allocated_bytes: 2 << 30,
            direct_io: true,
            phase: "ready".into(),
            device: "/dev/loop3".into(),
            mounts: vec![mount("/mnt/a", false), mount("/mnt/b", true)],
            faults: vec![Fault { reason: "GrowthPending".into(), message: "later".into() }],
            claim: Some(Claim { name: "data".into(), namespace: "shop".into(), volume: "pv1".into() }),
            created_at: "2026-01-02T03:04:05Z".into(),
            uid: Some(1000),
            gid: Some(0),
            mode: Some(0o2750),
            ..Volume::default()
        };
        let expected = "\
name        db
id          db
pool        default (loop)
content     ext4
size        2Gi (2147483648 bytes)
on disk     2Gi, reserved
device      /dev/loop3
mounted     /mnt/a
            /mnt/b (read-only)
direct I/O  on
owner       1000:0, mode 2750
claim       shop/data, as pv1
made        2026-01-02T03:04:05Z
phase       ready
health      GrowthPending: later";
        assert_eq!(columns(None, everything(&volume)), expected);
        let yaml = crate::yaml::print(&volume).unwrap();
        assert!(yaml.contains("sizeBytes: 2147483648\n") && yaml.contains("mode: '2750'\n"), "{yaml}");
    }

    #[test]
    fn of_a_limit_its_project_and_of_an_image_its_device_is_said() {
        let volume = Volume {
            name: "db".into(),
            id: "db".into(),
            pool: "fast".into(),
            backend: "quota".into(),
            content: "xfs".into(),
            size_bytes: 1 << 30,
            allocated_bytes: 1 << 20,
            phase: "ready".into(),
            created_at: "2026-01-02T03:04:05Z".into(),
            warn_percent: Some(70),
            project_id: Some(100),
            inode_limit: Some(262_144),
            ..Volume::default()
        };
        let expected = "\
name         db
id           db
pool         fast (quota)
content      xfs
size         1Gi (1073741824 bytes)
on disk      1Mi, limited
inode limit  262144
warning      above 70%
project      100
mounted      nowhere
made         2026-01-02T03:04:05Z
phase        ready
health       ok";
        assert_eq!(columns(None, everything(&volume)), expected);
    }

    #[test]
    fn a_share_is_rounded_up_and_never_of_nothing() {
        let usage = |used_bytes, available_bytes| Usage { used_bytes, available_bytes, ..Usage::default() };
        assert_eq!(share(&usage(1, 999)).as_deref(), Some("1%"));
        assert_eq!(share(&usage(1, 0)).as_deref(), Some("100%"));
        assert_eq!(share(&usage(0, 0)), None);
    }
}
