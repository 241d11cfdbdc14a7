//! The wire: generated stubs of `proto/`, and the unix sockets they are spoken over.
//!
//! Near the bottom: what a call means is not known here.

pub mod socket;

/// The Container Storage Interface 1.13 (`proto/csi.proto`).
#[allow(missing_docs, clippy::all, clippy::unwrap_used)]
pub mod csi {
    tonic::include_proto!("csi.v1");
}

/// How the kubelet hears of a plugin, v1 (`proto/pluginregistration.proto`).
#[allow(missing_docs, clippy::all, clippy::unwrap_used)]
pub mod registration {
    tonic::include_proto!("pluginregistration");
}

/// What CSI has no words for: `ullage.v1.Admin` (`proto/ullage.proto`).
#[allow(missing_docs, clippy::all, clippy::unwrap_used)]
pub mod admin {
    tonic::include_proto!("ullage.v1");
}

/// Permission bits as people read them: `0755`.
#[allow(clippy::ref_option, reason = "the signature is serde's")]
fn octal<S: serde::Serializer>(mode: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
    match mode {
        Some(mode) => serializer.collect_str(&format_args!("{mode:04o}")),
        None => serializer.serialize_none(),
    }
}
