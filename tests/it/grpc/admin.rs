//! What CSI has no words for.

use std::path::Path;

use tonic::Code::{InvalidArgument, NotFound, OutOfRange};
use ullage::rpc::admin::{
    GetVolumeRequest, ListPoolsRequest, ListVolumesRequest, MountVolumeRequest, ResizeVolumeRequest,
    UnmountVolumeRequest, Volume,
};
use ullage::rpc::csi::CreateVolumeRequest;

use super::ask::*;
use super::server::Server;

async fn get(server: &mut Server, volume: &str) -> Volume {
    let request = GetVolumeRequest { volume: volume.into() };
    server.admin.get_volume(request).await.unwrap().into_inner().volume.unwrap()
}

#[tokio::test]
async fn a_volume_is_shown_as_it_is() {
    let mut server = Server::start().await;
    let claim = [("uid", "7"), ("mode", "0750"), ("csi.storage.k8s.io/pvc/name", "data")];
    server.published(create_with("db", &claim)).await;
    let volume = get(&mut server, "db").await;
    assert_eq!((volume.id.as_str(), volume.name.as_str(), volume.pool.as_str()), ("db", "db", "default"));
    assert_eq!((volume.backend.as_str(), volume.content.as_str(), volume.phase.as_str()), ("loop", "xfs", "ready"));
    assert_eq!((volume.size_bytes, volume.allocated_bytes), (1 << 30, 1 << 30));
    assert_eq!((volume.sparse, volume.direct_io, volume.growth_pending), (false, true, false));
    assert_eq!((volume.uid, volume.gid, volume.mode), (Some(7), Some(0), Some(0o750)));
    assert_eq!(volume.claim.unwrap().name, "data");
    assert_eq!(volume.usage.unwrap().total_bytes, 1 << 30);
    assert!(volume.device.starts_with("/dev/loop") && volume.faults.is_empty());
    assert!(volume.created_at.ends_with('Z'), "{}", volume.created_at);
    let mounts: Vec<_> = volume.mounts.into_iter().map(|mount| (mount.path, mount.read_only)).collect();
    assert_eq!(mounts, [(staging("db"), false), (target("db"), false)]);
}

#[tokio::test]
async fn a_volume_answers_to_its_name_and_to_its_id() {
    let mut server = Server::start().await;
    let id = server.create(create("my volume")).await.unwrap().volume_id;
    assert_ne!(id, "my volume");
    for word in ["my volume", &id] {
        let volume = get(&mut server, word).await;
        assert_eq!((volume.name.as_str(), volume.id.as_str()), ("my volume", id.as_str()));
    }
    let request = |volume: &str| GetVolumeRequest { volume: volume.into() };
    refused(server.admin.get_volume(request("other")).await, NotFound, "volume 'other' does not exist");
    refused(server.admin.get_volume(request("")).await, InvalidArgument, "volume is required");
}

#[tokio::test]
async fn an_unmounted_volume_is_resized_and_its_filesystem_follows() {
    let mut server = Server::start().await;
    server.create(CreateVolumeRequest { capacity_range: bytes(100 * MIB, 0), ..create("db") }).await.unwrap();
    let request = |size_bytes| ResizeVolumeRequest { volume: "db".into(), size_bytes };
    for _ in 0..2 {
        let volume = server.admin.resize_volume(request((1 << 30) + 1)).await.unwrap().into_inner().volume.unwrap();
        assert_eq!((volume.size_bytes, volume.growth_pending), ((1 << 30) + 4096, true));
    }
    for (size, code, text) in [
        (0, InvalidArgument, "size_bytes is required"),
        (1 << 20, OutOfRange, "smaller than minimum allowed 20MB"),
        (1 << 29, OutOfRange, "volumes only grow"),
        (u64::MAX, OutOfRange, "larger than any volume can be"),
        (200 << 30, OutOfRange, "the volume cannot grow: pool 'default' is full"),
    ] {
        refused(server.admin.resize_volume(request(size)).await, code, text);
    }
    server.node.node_stage_volume(stage("db", writer())).await.unwrap();
    let volume = get(&mut server, "db").await;
    assert_eq!((volume.growth_pending, volume.usage.unwrap().total_bytes), (false, (1 << 30) + 4096));
}

#[tokio::test]
async fn volumes_pools_and_what_is_not_understood_are_listed() {
    let mut server = Server::start().await;
    for name in ["b", "a"] {
        server.create(create(name)).await.unwrap();
    }
    server.fake.machine().files.create_dir(Path::new("/pool/volumes/x/letters")).unwrap();
    let mut server = server.again().await;
    let all = server.admin.list_volumes(ListVolumesRequest {}).await.unwrap().into_inner();
    let ids: Vec<_> = all.volumes.iter().map(|volume| volume.id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(all.set_aside[0].path, "/pool/volumes/x");
    assert!(all.set_aside[0].reason.contains("there is no record"), "{:?}", all.set_aside);
    let pools = server.admin.list_pools(ListPoolsRequest {}).await.unwrap().into_inner().pools;
    assert_eq!(pools, all.pools);
    let pool = &pools[0];
    assert_eq!((pool.name.as_str(), pool.path.as_str(), pool.backend.as_str()), ("default", "/pool", "loop"));
    assert!(pool.serving && pool.reason.is_empty());
    assert_eq!((pool.total_bytes, pool.reserve_bytes, pool.volumes), (100 << 30, 5 << 30, 2));
    assert_eq!(pool.promised_bytes, 2 << 30);
    assert!(pool.available_bytes < pool.free_bytes);
    let filesystems: Vec<_> = pool.file_systems.iter().map(|state| (state.fs.as_str(), state.usable)).collect();
    assert_eq!(filesystems, [("ext4", true), ("xfs", true)]);
}

#[tokio::test]
async fn a_volume_is_mounted_where_somebody_wants_it() {
    let mut server = Server::start().await;
    server.create(create("db")).await.unwrap();
    let mount = |path: &str| MountVolumeRequest { volume: "db".into(), path: path.into(), read_only: true };
    let unmount = |path: &str| UnmountVolumeRequest { volume: "db".into(), path: path.into() };
    refused(server.admin.mount_volume(mount("mnt")).await, InvalidArgument, "path 'mnt' is not an absolute path");
    for _ in 0..2 {
        let volume = server.admin.mount_volume(mount("/mnt/db")).await.unwrap().into_inner().volume.unwrap();
        let mounts: Vec<_> = volume.mounts.into_iter().map(|mount| (mount.path, mount.read_only)).collect();
        assert_eq!(mounts, [("/mnt/db".to_owned(), true)]);
        assert!(volume.wanted.is_empty(), "on a node of a cluster nothing is kept");
    }
    for _ in 0..2 {
        let volume = server.admin.unmount_volume(unmount("/mnt/db")).await.unwrap().into_inner().volume.unwrap();
        assert!(volume.mounts.is_empty());
    }
    refused(
        server.admin.mount_volume(MountVolumeRequest { volume: "other".into(), ..mount("/mnt/db") }).await,
        NotFound,
        "volume 'other' does not exist",
    );
}
