use std::path::{Component, Path, PathBuf};

use crate::model::{Bytes, parse_quantity};

/// A volume as `--volume` names it: `data=/data[,pvc=my-claim][,size=2Gi]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedVolume {
    /// What clients call it.
    pub name: String,
    /// Where it is mounted in the container.
    pub path: PathBuf,
    /// The claim behind it, where it is told: only then it can be grown.
    pub claim: Option<String>,
    /// Its size, where the device and the filesystem do not tell the right one.
    pub size: Option<Bytes>,
}

/// A `--volume` that cannot be used: the value, and what would be right.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("volume '{value}': {reason}")]
pub struct InvalidVolume {
    value: String,
    reason: String,
}

const FORM: &str = "write NAME=/PATH[,pvc=CLAIM][,size=2Gi], such as data=/data,pvc=my-claim";
const LONGEST_NAME: usize = 63;
const LONGEST_CLAIM: usize = 253;

fn parse_volumes<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Vec<NamedVolume>, InvalidVolume> {
    let mut volumes: Vec<NamedVolume> = Vec::new();
    for value in values {
        let volume = parse(value).map_err(|reason| invalid(value, reason))?;
        if volumes.iter().any(|other| other.name == volume.name) {
            return Err(invalid(value, format!("the name {} is there already: give each its own", volume.name)));
        }
        if let Some(other) = volumes.iter().find(|other| other.path == volume.path) {
            let path = volume.path.display();
            return Err(invalid(value, format!("{path} is there already, as {}: name each path once", other.name)));
        }
        volumes.push(volume);
    }
    Ok(volumes)
}

/// Every volume that is named, in that order, with `;` between them (as in `ULLAGE_VOLUMES`); an end without a volume is
/// passed over.
pub fn parse_volumes_of(text: &str) -> Result<Vec<NamedVolume>, InvalidVolume> {
    parse_volumes(text.split(';').map(str::trim).filter(|value| !value.is_empty()))
}

fn parse(value: &str) -> Result<NamedVolume, String> {
    let mut parts = value.split(',').map(str::trim);
    let (name, path) = parts.next().and_then(|first| first.split_once('=')).ok_or(FORM)?;
    let mut volume = NamedVolume { name: checked_name(name)?, path: checked_path(path)?, claim: None, size: None };
    for part in parts {
        match part.split_once('=') {
            Some(("pvc", claim)) if volume.claim.is_none() => volume.claim = Some(checked_claim(claim)?),
            Some(("size", size)) if volume.size.is_none() => volume.size = Some(checked_size(size)?),
            Some((key @ ("pvc" | "size"), _)) => return Err(format!("{key} is there twice")),
            _ => return Err(format!("'{part}' is neither pvc=CLAIM nor size=SIZE: {FORM}")),
        }
    }
    Ok(volume)
}

fn checked_name(name: &str) -> Result<String, String> {
    let is_name = name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    match is_name {
        true => Ok(name.to_owned()),
        false => Err(format!(
            "'{name}' is no name: 1 to {LONGEST_NAME} of A-Z a-z 0-9 . _ -, beginning with a letter or a digit; {FORM}"
        )),
    }
}

/// Written in one way, so that two spellings of one path are seen to be one.
fn checked_path(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    if !path.is_absolute() {
        return Err(format!("'{text}' is no absolute path: {FORM}"));
    }
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(format!("'{text}' has '..' in it: name the path itself"));
    }
    Ok(path.components().collect())
}

/// As Kubernetes names objects.
fn checked_claim(claim: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        let is_end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        label.starts_with(is_end) && label.ends_with(is_end) && label.chars().all(|c| is_end(c) || c == '-')
    };
    match claim.len() <= LONGEST_CLAIM && claim.split('.').all(is_label) {
        true => Ok(claim.to_owned()),
        false => Err(format!("'{claim}' is no claim's name: a-z 0-9 - . only, as 'kubectl get pvc' shows it")),
    }
}

fn checked_size(text: &str) -> Result<Bytes, String> {
    match parse_quantity(text) {
        Ok(Bytes::ZERO) => Err("a size is more than 0".to_owned()),
        Ok(size) => Ok(size),
        Err(error) => Err(error.to_string()),
    }
}

fn invalid(value: &str, reason: impl Into<String>) -> InvalidVolume {
    InvalidVolume { value: value.chars().take(200).collect(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(name: &str, path: &str, claim: Option<&str>, size: Option<Bytes>) -> NamedVolume {
        NamedVolume { name: name.to_owned(), path: PathBuf::from(path), claim: claim.map(str::to_owned), size }
    }

    #[test]
    fn reads_what_is_named() {
        let cases = [
            ("data=/data", volume("data", "/data", None, None)),
            ("data=/data/,pvc=my-claim", volume("data", "/data", Some("my-claim"), None)),
            ("a.b_C-1=/x=y , size=2Gi, pvc=a.b-0", volume("a.b_C-1", "/x=y", Some("a.b-0"), Some(Bytes::gib(2)))),
        ];
        for (value, expected) in cases {
            assert_eq!(parse_volumes([value]).unwrap(), [expected], "{value}");
        }
        assert_eq!(parse_volumes_of(" a=/a ;b=/b,pvc=b; ").unwrap().len(), 2);
        assert_eq!(parse_volumes_of("").unwrap(), []);
    }

    #[test]
    fn says_what_is_wrong_and_what_would_be_right() {
        let cases = [
            ("", "write NAME=/PATH"),
            ("/data", "write NAME=/PATH"),
            ("=/data", "'' is no name"),
            ("../x=/data", "'../x' is no name"),
            ("data=data", "'data' is no absolute path"),
            ("data=", "'' is no absolute path"),
            ("data=/a/../b", "'..'"),
            ("data=/data,pvc=My_Claim", "'My_Claim' is no claim's name"),
            ("data=/data,pvc=", "'' is no claim's name"),
            ("data=/data,pvc=a,pvc=b", "pvc is there twice"),
            ("data=/data,size=2Q", "'2Q' is not a size"),
            ("data=/data,size=0", "more than 0"),
            ("data=/data,claim=a", "neither pvc=CLAIM nor size=SIZE"),
            ("data=/data,", "neither pvc=CLAIM nor size=SIZE"),
        ];
        for (value, expected) in cases {
            let said = parse_volumes([value]).unwrap_err().to_string();
            assert!(said.starts_with(&format!("volume '{value}': ")) && said.contains(expected), "{said}");
        }
    }

    #[test]
    fn a_name_and_a_path_are_there_once_and_a_claim_as_often_as_it_is_mounted() {
        assert!(parse_volumes(["a=/a", "a=/b"]).unwrap_err().to_string().contains("the name a is there already"));
        assert!(parse_volumes(["a=/a", "b=//a/."]).unwrap_err().to_string().contains("/a is there already, as a"));
        assert_eq!(parse_volumes(["a=/a,pvc=c", "b=/b,pvc=c"]).unwrap().len(), 2);
    }
}
