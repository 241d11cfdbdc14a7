//! The CSI services, and what goes in and out of them.

pub mod parameters;
pub mod size;

/// What kind of fault a refused request has: the two codes that a resizer or a kubelet takes as final.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The request means nothing: `INVALID_ARGUMENT`.
    InvalidArgument,
    /// It asks for a size that cannot be: `OUT_OF_RANGE`.
    OutOfRange,
}
