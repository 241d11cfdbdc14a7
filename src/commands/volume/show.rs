use serde::Serialize;

use super::client::Client;
use super::output::columns;
use super::{Output, Result, words};
use crate::model::Bytes;
use crate::rpc::admin::{ListVolumesResponse, Pool, Usage, Volume};

/// Prints every volume; below them, for people, what of the pools is not served and what was set aside.
pub(super) async fn list(client: &Client, output: Output) -> Result<()> {
    output.print(&client.list().await?, table)
}

/// Prints everything about a volume.
pub(super) async fn inspect(client: &Client, name: &str, output: Output) -> Result<()> {
    output.print(&client.get(name).await?, |volume| columns(None, words::everything(volume)))
}

/// Prints how full a volume is.
pub(super) async fn usage(client: &Client, name: &str, output: Output) -> Result<()> {
    output.print(&Measured::from(client.get(name).await?), Measured::table)
}

fn table(listed: &ListVolumesResponse) -> String {
    let mut parts = Vec::new();
    if listed.volumes.is_empty() {
        parts.push("There are no volumes.".to_owned());
    } else {
        let header = ["NAME", "SIZE", "USED", "AVAIL", "FS", "POOL", "MOUNTED", "HEALTH"];
        parts.push(columns(Some(header), listed.volumes.iter().map(row).collect()));
    }
    let refused: Vec<_> = listed.pools.iter().filter(|pool| !pool.serving).map(refused).collect();
    if !refused.is_empty() {
        parts.push(columns(Some(["NOT SERVED", "PATH", "REASON"]), refused));
    }
    let aside = listed.set_aside.iter().map(|aside| [aside.path.clone(), aside.reason.clone()]).collect::<Vec<_>>();
    if !aside.is_empty() {
        parts.push(columns(Some(["SET ASIDE", "REASON"]), aside));
    }
    parts.join("\n\n")
}

fn row(volume: &Volume) -> [String; 8] {
    let amount = |choose: fn(&Usage) -> u64| {
        volume.usage.as_ref().map_or("-".to_owned(), |usage| Bytes::new(choose(usage)).to_string())
    };
    [
        volume.name.clone(),
        Bytes::new(volume.size_bytes).to_string(),
        amount(|usage| usage.used_bytes),
        amount(|usage| usage.available_bytes),
        volume.content.clone(),
        volume.pool.clone(),
        words::mounted(volume),
        words::health(volume),
    ]
}

fn refused(pool: &Pool) -> [String; 3] {
    [pool.name.clone(), pool.path.clone(), pool.reason.clone()]
}

/// What `usage` prints: `usage` is absent where nothing is mounted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Measured {
    name: String,
    size_bytes: u64,
    allocated_bytes: u64,
    usage: Option<Usage>,
}

impl From<Volume> for Measured {
    fn from(volume: Volume) -> Self {
        let Volume { name, size_bytes, allocated_bytes, usage, .. } = volume;
        Self { name, size_bytes, allocated_bytes, usage }
    }
}

impl Measured {
    fn table(&self) -> String {
        let header = ["NAME", "SIZE", "USED", "AVAIL", "USE%", "INODES", "IUSED", "ON DISK"];
        let nothing = || "-".to_owned();
        let amount = |choose: fn(&Usage) -> u64| {
            self.usage.as_ref().map_or_else(nothing, |usage| Bytes::new(choose(usage)).to_string())
        };
        let count =
            |choose: fn(&Usage) -> u64| self.usage.as_ref().map_or_else(nothing, |usage| choose(usage).to_string());
        let row = [
            self.name.clone(),
            Bytes::new(self.size_bytes).to_string(),
            amount(|usage| usage.used_bytes),
            amount(|usage| usage.available_bytes),
            self.usage.as_ref().and_then(words::share).unwrap_or_else(nothing),
            count(|usage| usage.inodes_total),
            count(|usage| usage.inodes_used),
            Bytes::new(self.allocated_bytes).to_string(),
        ];
        columns(Some(header), vec![row])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::admin::{Fault, Mount, SetAside};

    fn volume(name: &str) -> Volume {
        Volume {
            name: name.into(),
            pool: "default".into(),
            content: "xfs".into(),
            size_bytes: 1 << 30,
            ..Volume::default()
        }
    }

    fn usage() -> Usage {
        Usage { total_bytes: 1 << 30, used_bytes: 1 << 29, available_bytes: 1 << 29, ..Usage::default() }
    }

    #[test]
    fn a_list_shows_where_volumes_are_and_what_is_wrong() {
        let mount = |path: &str| Mount { path: path.into(), read_only: false };
        let mounts = vec![mount("/mnt/db"), mount("/mnt/too")];
        let fault = Fault { reason: "DirectIoOff".into(), message: "".into() };
        let used = Volume { usage: Some(usage()), mounts, faults: vec![fault], ..volume("db") };
        let pool = Pool {
            name: "fast".into(),
            path: "/fast".into(),
            reason: "/fast does not exist".into(),
            ..Pool::default()
        };
        let aside = SetAside { path: "/pool/volumes/x".into(), reason: "no record".into() };
        let listed =
            ListVolumesResponse { volumes: vec![used, volume("idle")], pools: vec![pool], set_aside: vec![aside] };
        let expected = "\
NAME  SIZE  USED   AVAIL  FS   POOL     MOUNTED           HEALTH
db    1Gi   512Mi  512Mi  xfs  default  /mnt/db /mnt/too  DirectIoOff
idle  1Gi   -      -      xfs  default  -                 ok

NOT SERVED  PATH   REASON
fast        /fast  /fast does not exist

SET ASIDE        REASON
/pool/volumes/x  no record";
        assert_eq!(table(&listed), expected);
        assert_eq!(table(&ListVolumesResponse::default()), "There are no volumes.");
    }

    #[test]
    fn usage_is_for_people_and_for_programs() {
        let measured = Measured::from(Volume { usage: Some(usage()), ..volume("db") });
        let expected = "\
NAME  SIZE  USED   AVAIL  USE%  INODES  IUSED  ON DISK
db    1Gi   512Mi  512Mi  50%   0       0      0";
        assert_eq!(measured.table(), expected);
        let json = serde_json::to_value(&measured).unwrap();
        assert_eq!((&json["sizeBytes"], &json["usage"]["usedBytes"]), (&(1u64 << 30).into(), &(1u64 << 29).into()));
        let idle = serde_json::to_value(Measured::from(volume("db"))).unwrap();
        assert!(idle["usage"].is_null());
    }
}
