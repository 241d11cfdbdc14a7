//! One value each: what it means, or the words for why it means nothing.

use super::{Defaults, Fault, FsChoice, Overcommit, Reserve};
use crate::model::{Backend, Bytes, FsKind, PoolName, VolumeSpec, parse_quantity};
use crate::projects::ProjectRange;

type Checked<T> = Result<T, String>;

/// Whoever writes an amount below this, other than 0, forgot a percent sign or a unit.
const LEAST_RESERVE: Bytes = Bytes::mib(1);

/// The value of a key, or one fault more.
pub(super) fn keep<T>(faults: &mut Vec<Fault>, key: &str, checked: Checked<T>) -> Option<T> {
    checked.map_err(|reason| faults.push(Fault::new(key, reason))).ok()
}

/// A name that CSI, a CSIDriver object and a label's prefix all take: the topology key is made of it.
pub(super) fn driver_name(text: &str) -> Checked<String> {
    let right = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label =
        |label: &str| label.starts_with(right) && label.ends_with(right) && label.chars().all(|c| right(c) || c == '-');
    if text.len() <= 63 && text.split('.').all(label) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "'{text}' is not a driver name: at most 63 of a-z 0-9 - and dots, each part between dots beginning and ending \
         with a letter or a digit, such as csi.ullage.dev"
    ))
}

/// A name that can be the value of a topology segment, which is a label's value.
pub(super) fn node_name(text: &str) -> Checked<String> {
    let ends = |c: char| c.is_ascii_alphanumeric();
    let inside = |c: char| ends(c) || matches!(c, '.' | '_' | '-');
    if text.len() <= 63 && text.starts_with(ends) && text.ends_with(ends) && text.chars().all(inside) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "'{text}' is not a node name that a topology can hold: 1 to 63 of A-Z a-z 0-9 . _ -, beginning and ending with \
         a letter or a digit"
    ))
}

pub(super) fn pool_name(text: &str) -> Checked<PoolName> {
    PoolName::parse(text).map_err(|error| error.to_string())
}

pub(super) fn backend(text: &str) -> Checked<Backend> {
    match text {
        "loop" => Ok(Backend::Loop),
        "quota" => Ok(Backend::Quota),
        _ => Err(format!("'{text}' is not a backend: write loop or quota")),
    }
}

pub(super) fn reserve(text: &str) -> Checked<Reserve> {
    if let Some(share) = text.strip_suffix('%') {
        let share = hundredths(share.trim_end()).filter(|share| *share <= 10_000);
        return share
            .map(Reserve::Share)
            .ok_or_else(|| format!("'{text}' is not a share: write 0% to 100%, with at most two decimals"));
    }
    let amount = parse_quantity(text).map_err(|error| format!("{error}; a share needs a percent sign, such as 5%"))?;
    if amount != Bytes::ZERO && amount < LEAST_RESERVE {
        return Err(format!("'{text}' reserves next to nothing: write 5% or 10Gi"));
    }
    Ok(Reserve::Amount(amount))
}

pub(super) fn overcommit(text: &str) -> Checked<Overcommit> {
    if text == "unlimited" {
        return Ok(Overcommit::Unlimited);
    }
    let ratio = hundredths(text).filter(|ratio| *ratio >= 100);
    ratio.map(Overcommit::Ratio).ok_or_else(|| {
        format!("'{text}' is not a ratio: write 1.0 or more, with at most two decimals, such as 2.0, or unlimited")
    })
}

pub(super) fn project_range(text: &str) -> Checked<ProjectRange> {
    ProjectRange::parse(text).map_err(|error| error.to_string())
}

/// Of the image that is a whole pool: an XFS.
pub(super) fn image_size(text: &str) -> Checked<Bytes> {
    let size = parse_quantity(text).map_err(|error| error.to_string())?;
    let least = FsKind::Xfs.smallest();
    if size < least {
        return Err(format!("'{text}' is too small for an XFS: at least {least}"));
    }
    let size = size.round_up().filter(|size| i64::try_from(size.get()).is_ok());
    size.ok_or_else(|| format!("'{text}' is larger than any file can be"))
}

pub(super) fn default_size(text: &str) -> Checked<Bytes> {
    let size = parse_quantity(text).map_err(|error| error.to_string())?;
    if size < VolumeSpec::SMALLEST {
        return Err(format!("'{text}' is smaller than the smallest volume, 20MB"));
    }
    let size = size.round_up().filter(|size| i64::try_from(size.get()).is_ok());
    size.ok_or_else(|| format!("'{text}' is larger than any file can be"))
}

pub(super) fn default_fs(text: &str) -> Checked<FsChoice> {
    if text.trim().eq_ignore_ascii_case("auto") {
        return Ok(FsChoice::Auto);
    }
    let fs = FsKind::parse(text).map(FsChoice::Always);
    fs.ok_or_else(|| format!("'{text}' is not a filesystem made here: write auto, xfs or ext4"))
}

/// Whether a volume of the default size can have the default filesystem.
pub(super) fn together(defaults: &Defaults) -> Checked<()> {
    let FsChoice::Always(fs) = defaults.fs else { return Ok(()) };
    if defaults.size >= fs.smallest() {
        return Ok(());
    }
    Err(format!("'{fs}' needs at least {}, and defaults.size is {}", fs.smallest(), defaults.size))
}

/// A decimal number in hundredths; `None` where it is none or has more than two decimals.
fn hundredths(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 2 {
        return None;
    }
    format!("{whole}{part:0<2}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_a_share_or_an_amount() {
        let good = [
            ("5%", Reserve::Share(500)),
            ("0%", Reserve::Share(0)),
            ("100%", Reserve::Share(10_000)),
            ("2.5 %", Reserve::Share(250)),
            ("0.05%", Reserve::Share(5)),
            ("10Gi", Reserve::Amount(Bytes::gib(10))),
            ("1Mi", Reserve::Amount(Bytes::mib(1))),
            ("0", Reserve::Amount(Bytes::ZERO)),
        ];
        for (text, expected) in good {
            assert_eq!(reserve(text), Ok(expected), "{text}");
        }
        for text in ["101%", "100.01%", "-5%", "5.123%", "%", ".5%", "5.%", "1e1%", "99999999999%", "much", "", "-1Gi"]
        {
            assert!(reserve(text).is_err(), "{text}");
        }
        for text in ["5", "100", "1048575", "10Ki"] {
            assert_eq!(reserve(text), Err(format!("'{text}' reserves next to nothing: write 5% or 10Gi")));
        }
    }

    #[test]
    fn an_overcommit_is_a_ratio_or_unlimited() {
        let good = [
            ("unlimited", Overcommit::Unlimited),
            ("2.0", Overcommit::Ratio(200)),
            ("1", Overcommit::Ratio(100)),
            ("1.05", Overcommit::Ratio(105)),
        ];
        for (text, expected) in good {
            assert_eq!(overcommit(text), Ok(expected), "{text}");
        }
        for text in ["0", "0.99", "-2", "2.001", "2x", "200%", "Unlimited", "nan", ""] {
            assert!(overcommit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_those_that_kubernetes_takes() {
        for name in ["csi.ullage.dev", "a", "a-b.c9", &"x".repeat(63)] {
            assert!(driver_name(name).is_ok(), "{name}");
        }
        for name in ["", "CSI.dev", "a..b", ".a", "a.", "-a", "a-", "a.-b", "a_b", "a/b", "é", &"x".repeat(64)] {
            assert!(driver_name(name).is_err(), "{name}");
        }
        for name in ["n1", "Node_1.example", &"x".repeat(63)] {
            assert!(node_name(name).is_ok(), "{name}");
        }
        for name in ["", "-n", "n.", "a b", "a/b", &"x".repeat(64)] {
            assert!(node_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_default_filesystem_must_fit_the_default_size() {
        assert_eq!(default_size("100001Ki"), Ok(Bytes::new(100_004 << 10)));
        assert_eq!(default_fs(" XFS"), Ok(FsChoice::Always(FsKind::Xfs)));
        let defaults = Defaults { size: Bytes::mib(299), fs: FsChoice::Always(FsKind::Xfs) };
        assert_eq!(together(&defaults), Err("'xfs' needs at least 300Mi, and defaults.size is 299Mi".to_owned()));
        assert_eq!(together(&Defaults { size: Bytes::mib(300), ..defaults }), Ok(()));
        for size in ["19M", "9Ei", "-1", "100m"] {
            assert!(default_size(size).is_err(), "{size}");
        }
    }
}
