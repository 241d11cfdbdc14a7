use std::collections::BTreeMap;

use crate::backend::Fault;
use crate::model::{PoolName, VolumeId};
use crate::rpc::csi::node_get_storage_health_response::StorageBackendHealth;
use crate::rpc::csi::volume_health::VolumeHealthEntry;
use crate::rpc::csi::{StorageHealthErrorType, VolumeHealth, VolumeHealthErrorType};

/// What is wrong with a volume, as CSI says it.
pub(in crate::csi) fn health(id: &VolumeId, faults: &[Fault]) -> VolumeHealth {
    let entry = |fault: &Fault| VolumeHealthEntry {
        status: of_volume(fault).into(),
        reason: fault.reason().to_owned(),
        message: fault.to_string(),
    };
    VolumeHealth { volume_id: id.to_string(), health_statuses: faults.iter().map(entry).collect() }
}

/// What is wrong with the pools, as CSI says it: one entry for each (status, reason), whatever the number of pools.
pub(in crate::csi) fn storage_health(pools: &[(PoolName, Vec<Fault>)]) -> Vec<StorageBackendHealth> {
    let mut said: BTreeMap<(i32, &'static str), Vec<String>> = BTreeMap::new();
    for (pool, fault) in pools.iter().flat_map(|(pool, faults)| faults.iter().map(move |fault| (pool, fault))) {
        let entry = said.entry((of_storage(fault).into(), fault.reason())).or_default();
        entry.push(format!("{pool}: {fault}"));
    }
    let entry = |((status, reason), messages): ((i32, &str), Vec<String>)| StorageBackendHealth {
        status,
        reason: reason.to_owned(),
        message: messages.join("; "),
        volume_capability: None,
    };
    said.into_iter().map(entry).collect()
}

fn of_volume(fault: &Fault) -> VolumeHealthErrorType {
    match fault {
        // "Permanent data loss is known or strongly suspected."
        Fault::ImageMissing | Fault::ImageTruncated | Fault::DirectoryMissing => VolumeHealthErrorType::DataLoss,
        // It cannot be staged or published.
        Fault::PoolNotServed(_) | Fault::RecordUnreadable(_) => VolumeHealthErrorType::Inaccessible,
        // "Usable but not operating optimally."
        Fault::ReservationBroken
        | Fault::LimitDrifted(_)
        | Fault::FilesLeft(_)
        | Fault::NotAudited(_)
        | Fault::FilesystemReadOnly
        | Fault::FilesystemErrors(_)
        | Fault::GrowthPending
        | Fault::DirectIoOff
        | Fault::VolumeNearlyFull(_)
        | Fault::VolumeOutOfStorage(_)
        | Fault::NotMounted(_)
        | Fault::PoolNearlyFull => VolumeHealthErrorType::Degraded,
    }
}

fn of_storage(fault: &Fault) -> StorageHealthErrorType {
    match fault {
        Fault::PoolNotServed(_) => StorageHealthErrorType::StorageUnreachable,
        _ => StorageHealthErrorType::StorageDegraded,
    }
}
