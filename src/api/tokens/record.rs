//! `tokens.yaml`: what of an issued token is on disk.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::token::Digest;
use crate::yaml::{self, Schema};

/// One issued token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Record {
    pub(super) digest: Digest,
    pub(super) issued: OffsetDateTime,
    pub(super) expires: OffsetDateTime,
    pub(super) is_single_use: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    schema: Schema<1>,
    tokens: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line {
    sha256: String,
    #[serde(with = "time::serde::rfc3339")]
    issued: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    expires: OffsetDateTime,
    single_use: bool,
}

/// Reads them; the error says what is wrong with the file, and shows nothing of it that is secret.
pub(super) fn parse(content: &[u8]) -> Result<Vec<Record>, String> {
    let text = std::str::from_utf8(content).map_err(|error| error.to_string())?;
    let document: Document = yaml::parse(text).map_err(|error| error.to_string())?;
    document.tokens.into_iter().map(Record::try_from).collect()
}

pub(super) fn print(records: &[Record]) -> Result<String, String> {
    let tokens = records.iter().map(Line::from).collect();
    yaml::print(&Document { schema: Schema, tokens }).map_err(|error| error.to_string())
}

impl TryFrom<Line> for Record {
    type Error = String;

    fn try_from(line: Line) -> Result<Self, String> {
        let Line { sha256, issued, expires, single_use: is_single_use } = line;
        let digest = Digest::from_hex(&sha256).ok_or("a sha256 is not 64 hexadecimal digits")?;
        Ok(Self { digest, issued, expires, is_single_use })
    }
}

impl From<&Record> for Line {
    fn from(record: &Record) -> Self {
        let Record { digest, issued, expires, is_single_use: single_use } = *record;
        Self { sha256: digest.to_hex(), issued, expires, single_use }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_record_comes_back_and_holds_no_token() {
        let digits = "1234567890".repeat(7)[..64].to_owned(); // a number, were it not quoted
        let record = Record {
            digest: Digest::from_hex(&digits).unwrap(),
            issued: datetime!(2026-01-28 15:00:00 UTC),
            expires: datetime!(2026-01-28 15:30:00 UTC),
            is_single_use: true,
        };
        let text = print(&[record]).unwrap();
        let expected = format!(
            "schema: 1\ntokens:\n- sha256: '{digits}'\n  issued: 2026-01-28T15:00:00Z\n  expires: 2026-01-28T15:30:00Z\n  singleUse: true\n"
        );
        assert_eq!(text, expected);
        let [back] = parse(text.as_bytes()).unwrap()[..] else { panic!("one") };
        assert!(back.digest == record.digest && back.expires == record.expires && back.is_single_use);
        assert!(parse(print(&[]).unwrap().as_bytes()).unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_with_the_file_is_said() {
        for (content, said) in [
            (&b""[..], "missing field `schema`"),
            (b"schema: 2\nnew: x\n", "use the newer program"),
            (b"schema: 1\ntokens: [", "did not find expected node"),
            (b"\xff\xfe", "invalid utf-8"),
            (b"schema: 1\ntokens: [{sha256: ab, issued: '2026-01-28T15:00:00Z', expires: '2026-01-28T15:00:00Z', singleUse: true}]", "64 hexadecimal digits"),
        ] {
            let error = parse(content).err().unwrap();
            assert!(error.contains(said), "{error}");
        }
    }
}
