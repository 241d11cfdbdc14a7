use crate::csi::Error;
use crate::model::VolumeId;

/// Which part of a list is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::csi) struct Page {
    /// What comes behind this volume, be it still there or not.
    pub(in crate::csi) after: Option<VolumeId>,
    /// So many; 0: all.
    pub(in crate::csi) limit: usize,
}

/// What a token begins with. No id has a colon in it.
const AFTER: &str = "after:";

impl Page {
    /// Understands `max_entries` and `starting_token`.
    pub(in crate::csi) fn new(max_entries: i32, starting_token: &str) -> Result<Self, Error> {
        let limit = usize::try_from(max_entries)
            .map_err(|_| Error::Negative { field: "max_entries", value: max_entries.into() })?;
        if starting_token.is_empty() {
            return Ok(Self { after: None, limit });
        }
        let id = starting_token.strip_prefix(AFTER).and_then(|id| VolumeId::parse(id).ok());
        let after = id.ok_or_else(|| Error::Token(starting_token.to_owned()))?;
        Ok(Self { after: Some(after), limit })
    }

    /// Whether a page with that many entries is full.
    pub(in crate::csi) fn is_full(&self, entries: usize) -> bool {
        self.limit > 0 && entries >= self.limit
    }

    /// The token of the page that comes behind a volume.
    pub(in crate::csi) fn token(last: &VolumeId) -> String {
        format!("{AFTER}{last}")
    }
}
