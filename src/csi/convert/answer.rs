use super::Here;
use crate::rpc::csi::Volume;
use crate::store::Record;

/// A volume as CSI says it.
pub(in crate::csi) fn volume(record: &Record, here: &Here) -> Volume {
    let spec = &record.spec;
    let context = [("pool", spec.pool.to_string()), ("content", spec.content.to_string())];
    Volume {
        capacity_bytes: spec.size.signed(),
        volume_id: record.id.to_string(),
        volume_context: context.map(|(key, value)| (key.to_owned(), value)).into(),
        content_source: None,
        accessible_topology: vec![here.topology()],
    }
}
