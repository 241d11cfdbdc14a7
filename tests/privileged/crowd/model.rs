//! What a volume does, call by call, and whether a history of calls can have happened.

use std::collections::HashSet;

use ullage::engine::Kind;
use ullage::model::Content;

use crate::growth::may_grow_mounted_ext4;
use crate::world::{BLOCK, EXT4};

/// What is asked of a volume.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Call {
    Create,
    Stage,
    Publish,
    Unpublish,
    Unstage,
    /// To so many steps more than it was made with.
    Expand(u64),
    Delete,
    /// Reads what is written in it, and writes its name.
    Mark,
    /// At the end: what the records and the kernel say.
    Look,
}

/// What came of it.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Outcome {
    Done,
    Refused(Kind, String),
    /// Whether its name was in it already; `None`: it is not published.
    Marked(Option<bool>),
    Seen(State),
}

/// A call that was made, and when.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) call: Call,
    pub(super) outcome: Outcome,
    pub(super) from: u64,
    pub(super) to: u64,
}

/// How a volume is. The default: not there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct State {
    pub(super) exists: bool,
    pub(super) staged: bool,
    pub(super) published: bool,
    /// Attached: while mounted, and a block device until it is unstaged with no target left.
    pub(super) attached: bool,
    pub(super) steps: u64,
    /// The filesystem has yet to follow.
    pub(super) pending: bool,
    pub(super) marked: bool,
}

impl State {
    /// What a call makes of it, if the outcome is one that it may have.
    fn after(mut self, content: Content, made: &Made) -> Option<Self> {
        let expected = self.make(content, made.call);
        let agrees = match (&expected, &made.outcome) {
            (Outcome::Refused(kind, _), Outcome::Refused(found, _)) => kind == found,
            // Whether something is written in it cannot be seen from outside.
            (Outcome::Seen(state), Outcome::Seen(found)) => *state == Self { marked: state.marked, ..*found },
            (expected, found) => expected == found,
        };
        agrees.then_some(self)
    }

    fn make(&mut self, content: Content, call: Call) -> Outcome {
        let refused = |kind| Outcome::Refused(kind, String::new());
        match call {
            Call::Create => self.exists = true,
            Call::Delete if self.attached => return refused(Kind::NotNow),
            Call::Delete => *self = Self::default(),
            Call::Mark if !self.published => return Outcome::Marked(None),
            Call::Mark => return Outcome::Marked(Some(std::mem::replace(&mut self.marked, true))),
            Call::Look => return Outcome::Seen(*self),
            _ if !self.exists => return refused(Kind::NotFound),
            Call::Stage if self.staged => {}
            Call::Stage => {
                if self.pending && self.published && content == EXT4 && !may_grow_mounted_ext4() {
                    return refused(Kind::Failed); // e2fsck refuses what is mounted
                }
                (self.staged, self.attached, self.pending) = (true, true, false);
            }
            Call::Publish if !self.staged => return refused(Kind::NotNow),
            Call::Publish => self.published = true,
            Call::Unpublish => {
                self.published = false;
                self.attached = self.staged || (content == BLOCK && self.attached);
            }
            Call::Unstage => {
                self.staged = false;
                self.attached = self.published;
            }
            Call::Expand(steps) => return self.expand(content, steps),
        }
        Outcome::Done
    }

    fn expand(&mut self, content: Content, steps: u64) -> Outcome {
        if steps < self.steps {
            return Outcome::Refused(Kind::SizeRefused, String::new());
        }
        self.pending |= steps > self.steps;
        self.steps = steps;
        let mounted = self.staged || self.published;
        if self.pending && mounted && content == EXT4 && !may_grow_mounted_ext4() {
            return Outcome::Refused(Kind::NotNow, String::new());
        }
        self.pending &= !mounted && content != BLOCK;
        Outcome::Done
    }
}

/// Whether one order of the calls, in which none is before another that had ended when it began, gives these outcomes.
/// `Err`: the calls among which none fits, at the furthest that was reached.
pub(super) fn explain(content: Content, history: &[Made]) -> Result<(), Vec<&Made>> {
    let mut search = Search { content, history, seen: HashSet::new(), furthest: (0, Vec::new()) };
    match search.go(State::default(), &mut vec![false; history.len()], 0) {
        true => Ok(()),
        false => Err(search.furthest.1),
    }
}

struct Search<'a> {
    content: Content,
    history: &'a [Made],
    seen: HashSet<(State, Vec<bool>)>,
    furthest: (usize, Vec<&'a Made>),
}

impl Search<'_> {
    fn go(&mut self, state: State, done: &mut Vec<bool>, count: usize) -> bool {
        if count == self.history.len() {
            return true;
        }
        if !self.seen.insert((state, done.clone())) {
            return false;
        }
        let open: Vec<_> = (0..done.len()).filter(|at| !done[*at]).collect();
        let first_end = open.iter().map(|at| self.history[*at].to).min().unwrap_or(u64::MAX);
        let next: Vec<_> = open.into_iter().filter(|at| self.history[*at].from <= first_end).collect();
        if count >= self.furthest.0 {
            self.furthest = (count, next.iter().map(|at| &self.history[*at]).collect());
        }
        next.into_iter().any(|at| {
            let Some(after) = state.after(self.content, &self.history[at]) else { return false };
            done[at] = true;
            let found = self.go(after, done, count + 1);
            done[at] = false;
            found
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::XFS;

    fn made(call: Call, outcome: Outcome, from: u64, to: u64) -> Made {
        Made { call, outcome, from, to }
    }

    #[test]
    fn only_an_order_that_keeps_the_time_explains_a_history() {
        let not_found = || Outcome::Refused(Kind::NotFound, String::new());
        let overlapping = [made(Call::Create, Outcome::Done, 0, 5), made(Call::Stage, not_found(), 1, 2)];
        assert!(explain(XFS, &overlapping).is_ok());
        let afterwards = [made(Call::Create, Outcome::Done, 0, 5), made(Call::Stage, not_found(), 6, 7)];
        assert!(explain(XFS, &afterwards).is_err());
    }
}
