//! What one socket has still to send.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use axum::extract::ws::{Message, Utf8Bytes};
use futures_util::Sink;
use tokio::time::Instant;

use super::board::{Kind, Printed};
use super::counters::Counters;

/// Frames in order, of which none is ever dropped, and the newest numbers of each volume.
///
/// It holds no text of its own but answers, and a socket asks for the next only when the last is written. So what a
/// socket can hold that never reads is a few hundred bytes for each frame up to its bound.
#[derive(Default)]
pub(super) struct Outbox {
    urgent: VecDeque<Urgent>,
    stats: VecDeque<Arc<Printed>>,
    ping: bool,
    answers: usize,
    /// The sink takes nothing at the moment.
    is_blocked: bool,
    /// Something was handed to the sink that is not known to be written.
    is_unwritten: bool,
    /// Since when something urgent is among it.
    unwritten: Option<Instant>,
}

struct Urgent {
    frame: Utf8Bytes,
    since: Instant,
    is_answer: bool,
    crossed: Option<Instant>,
}

impl Outbox {
    /// Takes what happened.
    pub(super) fn put(&mut self, printed: &Arc<Printed>) {
        match &printed.kind {
            Kind::Stats(_) => self.put_stats(printed),
            Kind::Storage { frame, .. } => self.put_urgent(frame.clone(), false, None),
            Kind::Alert { message, storage, crossed } => {
                self.put_urgent(message.clone(), false, Some(*crossed));
                self.put_urgent(storage.clone(), false, None);
            }
        }
    }

    /// Takes a frame that must not be missed.
    pub(super) fn put_frame(&mut self, frame: Utf8Bytes) {
        self.put_urgent(frame, false, None);
    }

    /// Takes the answer to a request.
    pub(super) fn put_answer(&mut self, frame: String) {
        self.put_urgent(frame.into(), true, None);
    }

    /// Asks the client for a sign of life.
    pub(super) fn ping(&mut self) {
        self.ping = true;
    }

    /// Drops all that nobody misses who is told goodbye.
    pub(super) fn only_urgent(&mut self) {
        self.stats = VecDeque::new();
        self.ping = false;
    }

    /// Whether an answer waits: then nothing more is asked.
    pub(super) fn is_answering(&self) -> bool {
        self.answers > 0
    }

    /// Whether more frames that must not be missed than that wait for a client that takes nothing.
    pub(super) fn is_over(&self, bound: usize) -> bool {
        self.is_blocked && self.urgent.len() > bound
    }

    /// Since when the oldest of these waits.
    pub(super) fn waiting(&self) -> Option<Instant> {
        self.unwritten.or_else(|| self.urgent.front().map(|urgent| urgent.since))
    }

    /// Writes as much as can be written. Dropped in the middle and called again, it goes on where it was.
    pub(super) fn poll_drain<S>(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut S,
        counters: &Counters,
    ) -> Poll<Result<(), S::Error>>
    where
        S: Sink<Message> + Unpin,
    {
        let drained = self.poll_write(cx, Pin::new(sink), counters);
        self.is_blocked = drained.is_pending();
        drained
    }

    fn poll_write<S>(
        &mut self,
        cx: &mut Context<'_>,
        mut sink: Pin<&mut S>,
        counters: &Counters,
    ) -> Poll<Result<(), S::Error>>
    where
        S: Sink<Message>,
    {
        if self.is_empty() && !self.is_unwritten {
            return Poll::Ready(Ok(()));
        }
        // What is left of the last time goes first, and pongs: past the sink's bound nothing is taken.
        ready!(self.poll_flush(cx, sink.as_mut()))?;
        while !self.is_empty() {
            ready!(sink.as_mut().poll_ready(cx))?;
            let Some(message) = self.next(counters) else { break };
            self.is_unwritten = true;
            sink.as_mut().start_send(message)?;
        }
        self.poll_flush(cx, sink)
    }

    fn poll_flush<S>(&mut self, cx: &mut Context<'_>, sink: Pin<&mut S>) -> Poll<Result<(), S::Error>>
    where
        S: Sink<Message>,
    {
        ready!(sink.poll_flush(cx))?;
        (self.is_unwritten, self.unwritten) = (false, None);
        Poll::Ready(Ok(()))
    }

    fn next(&mut self, counters: &Counters) -> Option<Message> {
        if let Some(Urgent { frame, since, is_answer, crossed }) = self.urgent.pop_front() {
            if self.urgent.is_empty() {
                // What a burst took is given back.
                self.urgent.shrink_to(4);
            }
            self.answers -= usize::from(is_answer);
            self.unwritten.get_or_insert(since);
            counters.sent();
            if let Some(crossed) = crossed {
                counters.alerted(crossed.elapsed());
            }
            return Some(Message::Text(frame));
        }
        if std::mem::take(&mut self.ping) {
            return Some(Message::Ping(Bytes::new()));
        }
        let printed = self.stats.pop_front()?;
        let Kind::Stats(frame) = &printed.kind else { return None };
        counters.sent();
        Some(Message::Text(frame.clone()))
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.urgent.len()
    }

    fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.stats.is_empty() && !self.ping
    }

    fn put_urgent(&mut self, frame: Utf8Bytes, is_answer: bool, crossed: Option<Instant>) {
        self.answers += usize::from(is_answer);
        self.urgent.push_back(Urgent { frame, since: Instant::now(), is_answer, crossed });
    }

    fn put_stats(&mut self, printed: &Arc<Printed>) {
        match self.stats.iter_mut().find(|waiting| waiting.volume == printed.volume) {
            Some(older) => *older = printed.clone(),
            None => self.stats.push_back(printed.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
