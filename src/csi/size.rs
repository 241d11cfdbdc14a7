//! The size that a capacity range asks for.

use super::Refusal;
use crate::model::{Bytes, VolumeSpec};

/// A capacity range that no volume can have.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SizeError {
    /// A negative bound.
    #[error("required bytes '{required}' and limit bytes '{limit}' cannot be negative")]
    Negative {
        /// `required_bytes`.
        required: i64,
        /// `limit_bytes`.
        limit: i64,
    },
    /// A limit below what is required.
    #[error("limit bytes '{limit}' are less than required bytes '{required}'")]
    Crossed {
        /// `required_bytes`.
        required: i64,
        /// `limit_bytes`.
        limit: i64,
    },
    /// Less than a volume can be.
    #[error("requested size '{0}' is smaller than minimum allowed 20MB")]
    TooSmall(i64),
    /// More than the limit, once it is whole blocks.
    #[error("requested size '{required}' is '{rounded}' in whole blocks of 4096, more than the limit of '{limit}'")]
    PastLimit {
        /// `required_bytes`.
        required: i64,
        /// The same in whole blocks.
        rounded: u64,
        /// `limit_bytes`.
        limit: i64,
    },
    /// More than a file can hold.
    #[error("requested size '{0}' is larger than any volume can be")]
    TooLarge(i64),
}

impl SizeError {
    /// The kind of fault.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Negative { .. } | Self::Crossed { .. } => Refusal::InvalidArgument,
            Self::TooSmall(_) | Self::PastLimit { .. } | Self::TooLarge(_) => Refusal::OutOfRange,
        }
    }
}

/// The size of a new volume: what is required in whole blocks, or else the default where the limit allows it.
///
/// As in CSI, 0 is a bound that is not given.
pub fn size(required: i64, limit: i64, default: Bytes) -> Result<Bytes, SizeError> {
    let (Ok(asked), Ok(most)) = (u64::try_from(required), u64::try_from(limit)) else {
        return Err(SizeError::Negative { required, limit });
    };
    let (asked, most) = (Bytes::new(asked), Bytes::new(if most == 0 { u64::MAX } else { most }));
    if most < asked {
        return Err(SizeError::Crossed { required, limit });
    }
    if asked == Bytes::ZERO {
        let size = default.min(most).round_down();
        return if size < VolumeSpec::SMALLEST { Err(SizeError::TooSmall(limit)) } else { Ok(size) };
    }
    if asked < VolumeSpec::SMALLEST {
        return Err(SizeError::TooSmall(required));
    }
    let rounded = asked.round_up().filter(|size| i64::try_from(size.get()).is_ok());
    match rounded.ok_or(SizeError::TooLarge(required))? {
        rounded if rounded > most => Err(SizeError::PastLimit { required, rounded: rounded.get(), limit }),
        rounded => Ok(rounded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn honours_both_bounds_in_whole_blocks() {
        const GIB: i64 = 1 << 30;
        let cases = [
            (0, 0, 1 << 30),
            (GIB, 0, 1 << 30),
            (GIB, GIB, 1 << 30),
            (GIB + 1, 2 * GIB, (1 << 30) + 4096),
            (20_000_000, 0, 20_000_768),
            (0, 2 * GIB, 1 << 30),
            (0, 30_000_000, 29_999_104),
            (0, GIB, 1 << 30),
            (i64::MAX - 4095, 0, i64::MAX as u64 - 4095),
        ];
        for (required, limit, expected) in cases {
            assert_eq!(size(required, limit, Bytes::gib(1)), Ok(Bytes::new(expected)), "{required} {limit}");
        }
    }

    #[test]
    fn refuses_what_no_volume_can_be() {
        use Refusal::{InvalidArgument, OutOfRange};
        let cases = [
            (19_000_000, 0, OutOfRange, "requested size '19000000' is smaller than minimum allowed 20MB"),
            (19_999_999, 0, OutOfRange, "requested size '19999999' is smaller than minimum allowed 20MB"),
            (0, 19_000_000, OutOfRange, "requested size '19000000' is smaller than minimum allowed 20MB"),
            (0, 20_000_700, OutOfRange, "requested size '20000700' is smaller than minimum allowed 20MB"),
            (-1, 0, InvalidArgument, "required bytes '-1' and limit bytes '0' cannot be negative"),
            (0, -1, InvalidArgument, "required bytes '0' and limit bytes '-1' cannot be negative"),
            (2 << 30, 1 << 30, InvalidArgument, "limit bytes '1073741824' are less than required bytes '2147483648'"),
            (
                20_000_001,
                20_000_002,
                OutOfRange,
                "requested size '20000001' is '20000768' in whole blocks of 4096, more than the limit of '20000002'",
            ),
            (i64::MAX, 0, OutOfRange, "requested size '9223372036854775807' is larger than any volume can be"),
        ];
        for (required, limit, refusal, text) in cases {
            let error = size(required, limit, Bytes::gib(1)).unwrap_err();
            assert_eq!((error.refusal(), error.to_string().as_str()), (refusal, text));
        }
    }
}
