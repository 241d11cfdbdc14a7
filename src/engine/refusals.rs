use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};

use crate::model::{Bytes, VolumeId};

/// The sizes that were refused, of every volume that is staged.
///
/// A kubelet grows a volume after it has published it, and a pod waits for both: an answer that says *cannot be done* each time
/// would keep it from ever starting. So a size is refused once, for its user to take it back; and once the volume has been
/// published again, the same size is only not granted. It counts what came after what, and never how long after.
///
/// Nothing of this outlives the process: after a restart a pod that waits is refused once more, and its next try is published
/// again.
#[derive(Default)]
pub(super) struct Refusals(Mutex<HashMap<VolumeId, History>>);

/// What came after what, since a volume was staged.
#[derive(Default)]
struct History {
    /// How often it was published.
    published: u64,
    /// The sizes that were refused, and how often it had been published when each was refused first.
    refused: BTreeMap<Bytes, u64>,
}

impl Refusals {
    /// A volume was staged, or is gone: what was refused before does not count any more.
    pub(super) fn forget(&self, id: &VolumeId) {
        self.histories().remove(id);
    }

    /// A volume was published.
    pub(super) fn published(&self, id: &VolumeId) {
        // Of one that was refused nothing there is nothing to be later than.
        if let Some(history) = self.histories().get_mut(id) {
            history.published += 1;
        }
    }

    /// A size does not fit; whether that is said again, of a volume that has been published since.
    pub(super) fn refused(&self, id: &VolumeId, size: Bytes) -> bool {
        self.histories().entry(id.clone()).or_default().refuse(size)
    }

    fn histories(&self) -> MutexGuard<'_, HashMap<VolumeId, History>> {
        self.0.lock().expect("no holder panics")
    }
}

impl History {
    fn refuse(&mut self, size: Bytes) -> bool {
        *self.refused.entry(size).or_insert(self.published) < self.published
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `S` staged, `P` published, a digit: that size refused; and what is expected of each refusal: `o` for the first word,
    /// `f` for *not granted*.
    const CASES: [(&str, &str, &str); 10] = [
        ("a pod starts", "SP1P1", "of"),
        ("and stays as it is", "SP1P1P11", "offf"),
        ("a pod runs, and nobody publishes", "SP1111", "oooo"),
        ("a running pod was refused, and another starts", "SP11P1", "oof"),
        ("many tries to publish before the first refusal", "SPPP1", "o"),
        ("another size is another wish", "SP1P2P2", "oof"),
        ("the first wish again", "SP12P1", "oof"),
        ("lowered, and raised again", "SP1P12P12", "ofoff"),
        ("staged anew", "SP1P1SP1P1", "ofof"),
        ("staged between refusal and publishing", "SP1SP1P1", "oof"),
    ];

    #[test]
    fn the_same_size_after_a_later_publish_is_not_refused_again() {
        for (what, calls, expected) in CASES {
            let (refusals, id, other) = (Refusals::default(), VolumeId::from_name("a"), VolumeId::from_name("b"));
            let mut answers = String::new();
            for call in calls.chars() {
                match call {
                    'S' => refusals.forget(&id),
                    'P' => refusals.published(&id),
                    size => {
                        let again = refusals.refused(&id, Bytes::gib(size.to_digit(10).unwrap().into()));
                        answers.push(if again { 'f' } else { 'o' });
                    }
                }
                refusals.published(&other);
            }
            assert_eq!(answers, expected, "{what}: {calls}");
            assert!(!refusals.refused(&other, Bytes::gib(1)), "{what}: another volume's refusals count");
        }
    }
}
