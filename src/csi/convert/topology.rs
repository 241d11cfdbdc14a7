use crate::csi::Error;
use crate::rpc::csi::{Topology, TopologyRequirement};

/// The place of this node: one segment, `<driver name>/node`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::csi) struct Here {
    key: String,
    node: String,
}

impl Here {
    /// The place of that node.
    pub(in crate::csi) fn new(driver: &str, node: &str) -> Self {
        Self { key: format!("{driver}/node"), node: node.to_owned() }
    }

    /// As a message.
    pub(in crate::csi) fn topology(&self) -> Topology {
        Topology { segments: [(self.key.clone(), self.node.clone())].into() }
    }

    /// Whether a volume that lies here is in that place. Of segments that are not ours nothing is known, so they are
    /// not met.
    pub(in crate::csi) fn is_in(&self, place: &Topology) -> bool {
        // "Keys MUST be case-insensitive."
        place.segments.iter().all(|(key, value)| key.eq_ignore_ascii_case(&self.key) && *value == self.node)
    }

    /// That a volume can be made here: "accessible from at least one of the requisite topologies". What is only
    /// preferred binds nobody.
    pub(in crate::csi) fn satisfies(&self, requirement: Option<&TopologyRequirement>) -> Result<(), Error> {
        let requisite = requirement.map(|requirement| requirement.requisite.as_slice()).unwrap_or_default();
        match requisite.is_empty() || requisite.iter().any(|place| self.is_in(place)) {
            true => Ok(()),
            false => Err(Error::Elsewhere(format!("{}={}", self.key, self.node))),
        }
    }
}
