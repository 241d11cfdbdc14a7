//! The words of `ullage.v1.Admin`.

use time::format_description::well_known::Rfc3339;

use crate::backend::Fault;
use crate::engine::{self, Inspection, Outcome, PoolStatus};
use crate::host::MountEntry;
use crate::model::{self, Backend, FsKind, ProjectId};
use crate::rpc::admin::{Claim, Fault as FaultMessage, FsState, ImportedItem, Mount, Pool, SetAside, Usage, Volume};
use crate::store::{Phase, Record, WantedMount};

/// A volume and what the machine says of it.
pub(in crate::csi) fn volume(inspection: &Inspection) -> Volume {
    let presence = &inspection.presence;
    Volume {
        allocated_bytes: presence.allocated.get(),
        device: presence.device.map(|device| device.to_string()).unwrap_or_default(),
        mounts: presence.mounts.iter().map(mount).collect(),
        usage: inspection.usage.as_ref().map(usage),
        faults: inspection.faults.iter().map(fault).collect(),
        ..of_record(&inspection.record)
    }
}

/// A volume of which the machine says nothing but an error.
pub(in crate::csi) fn uninspected(record: &Record, error: &engine::Error) -> Volume {
    let fault = FaultMessage { reason: "CannotInspect".to_owned(), message: error.to_string() };
    Volume { faults: vec![fault], ..of_record(record) }
}

/// A pool, and how much it can take.
pub(in crate::csi) fn pool(status: &PoolStatus) -> Pool {
    let config = &status.config;
    let served = Pool {
        name: config.name.to_string(),
        path: config.path.display().to_string(),
        backend: backend(config.backend).to_owned(),
        serving: status.room.is_ok(),
        file_systems: status.filesystems.iter().map(|(fs, proven)| fs_state(*fs, proven)).collect(),
        ..Pool::default()
    };
    match &status.room {
        Err(reason) => Pool { reason: reason.clone(), ..served },
        Ok(room) => Pool {
            total_bytes: room.total.get(),
            free_bytes: room.free.get(),
            reserve_bytes: room.reserve.get(),
            available_bytes: room.available.get(),
            promised_bytes: room.promised.get(),
            volumes: room.volumes as u64,
            ..served
        },
    }
}

/// Something that is left alone.
pub(in crate::csi) fn set_aside(aside: &engine::SetAside) -> SetAside {
    SetAside { path: aside.path.display().to_string(), reason: aside.reason.clone() }
}

/// An item of hostlet's, and what becomes of it.
pub(in crate::csi) fn imported(imported: &engine::Imported) -> ImportedItem {
    let (outcome, reason) = match &imported.outcome {
        Outcome::Possible => ("possible", ""),
        Outcome::Done => ("done", ""),
        Outcome::Present => ("present", ""),
        Outcome::Refused(reason) => ("refused", reason.as_str()),
    };
    let item = ImportedItem {
        name: imported.name.clone(),
        outcome: outcome.to_owned(),
        reason: reason.to_owned(),
        ..ImportedItem::default()
    };
    let Some(volume) = &imported.volume else { return item };
    ImportedItem {
        project_id: Some(volume.project.get()),
        directory: volume.directory.display().to_string(),
        size_bytes: volume.size.get(),
        used_bytes: volume.used.get(),
        warn_percent: volume.warn_percent.map(u32::from),
        ..item
    }
}

fn of_record(record: &Record) -> Volume {
    let spec = &record.spec;
    Volume {
        id: record.id.to_string(),
        name: spec.name.clone(),
        pool: spec.pool.to_string(),
        backend: backend(record.backend()).to_owned(),
        content: spec.content.to_string(),
        size_bytes: spec.size.get(),
        sparse: spec.sparse,
        direct_io: spec.direct_io,
        phase: phase(record.phase).to_owned(),
        growth_pending: record.growth_is_pending(),
        claim: claim(&spec.claim),
        created_at: record.created.format(&Rfc3339).unwrap_or_default(),
        uid: spec.owner.map(|owner| owner.uid),
        gid: spec.owner.map(|owner| owner.gid),
        mode: spec.owner.map(|owner| owner.mode),
        wanted: record.mounts.iter().map(wanted).collect(),
        warn_percent: spec.warn_percent.map(u32::from),
        project_id: record.project.map(ProjectId::get),
        inode_limit: spec.inodes.map(|limit| limit.of(spec.size)),
        ..Volume::default()
    }
}

fn mount(entry: &MountEntry) -> Mount {
    Mount {
        path: entry.target.display().to_string(),
        read_only: entry.attributes.read_only || entry.filesystem_read_only,
    }
}

fn wanted(mount: &WantedMount) -> Mount {
    Mount { path: mount.path.display().to_string(), read_only: mount.read_only }
}

fn usage(usage: &model::Usage) -> Usage {
    Usage {
        total_bytes: usage.total.get(),
        used_bytes: usage.used.get(),
        available_bytes: usage.available.get(),
        inodes_total: usage.inodes.total,
        inodes_used: usage.inodes.used,
        inodes_free: usage.inodes.free,
    }
}

fn fault(fault: &Fault) -> FaultMessage {
    FaultMessage { reason: fault.reason().to_owned(), message: fault.to_string() }
}

fn claim(claim: &model::Claim) -> Option<Claim> {
    let model::Claim { name, namespace, volume } = claim.clone();
    if name.is_none() && namespace.is_none() && volume.is_none() {
        return None;
    }
    let text = Option::unwrap_or_default;
    Some(Claim { name: text(name), namespace: text(namespace), volume: text(volume) })
}

fn fs_state(fs: FsKind, proven: &Result<(), String>) -> FsState {
    let reason = proven.as_ref().err().cloned().unwrap_or_default();
    FsState { fs: fs.to_string(), usable: proven.is_ok(), reason }
}

fn backend(backend: Backend) -> &'static str {
    match backend {
        Backend::Loop => "loop",
        Backend::Quota => "quota",
    }
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Creating => "creating",
        Phase::Ready => "ready",
    }
}
