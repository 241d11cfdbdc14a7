//! What several tests share.

pub(crate) mod host_expectations;
