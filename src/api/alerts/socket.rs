use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::StreamExt;
use time::OffsetDateTime;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until, timeout};

use super::answers::{self, Answer, Work};
use super::board::Printed;
use super::clock::{Clock, Farewell};
use super::counters::{ABNORMAL, AWAY, Counters, NO_CODE, TRY_AGAIN, UNAUTHORIZED};
use super::failure;
use super::frames;
use super::outbox::Outbox;
use super::requests::{Malformed, Request};
use super::seat::{Filter, Seat};
use super::state::{Alerts, Pace};
use crate::api::tokens::{End, Epoch, Verdict};

/// For how long a socket may be there.
pub(super) struct Pass {
    /// What it came with.
    pub(super) verdict: Verdict,
    /// How things stood before that was looked at, and each change.
    pub(super) changes: watch::Receiver<Epoch>,
}

/// One socket: one task, which goes on hearing while a write is blocked.
struct Socket {
    stream: WebSocket,
    alerts: Alerts,
    seat: Seat,
    outbox: Outbox,
    news: Receiver<Arc<Printed>>,
    work: Option<Work>,
    clock: Clock,
}

enum Step {
    Heard(Result<Arc<Printed>, RecvError>),
    Came(Option<Result<Message, axum::Error>>),
    Broke,
    Answered(Answer),
    Due,
    Over(Farewell),
}

/// Looks after a socket until it ends.
pub(super) async fn serve(stream: WebSocket, alerts: Alerts, filter: Filter, pass: Pass) {
    let counted = alerts.clone();
    let _counted = counted.press.counters().open();
    let joined = alerts.press.join(0, |volume| filter.wants(volume));
    let (mut seat, mut outbox) = (Seat::new(filter), Outbox::default());
    outbox.put_frame(frames::running(OffsetDateTime::now_utc()).into());
    seat.sit_down(&joined, &mut outbox);
    let clock = Clock::new(alerts.pace, pass.ends());
    let socket = Socket { stream, alerts, seat, outbox, news: joined.news, work: None, clock };
    socket.run(pass).await;
}

impl Socket {
    async fn run(mut self, mut pass: Pass) {
        let mut stopping = self.alerts.stopping.clone();
        let mut timer = pin!(sleep_until(self.clock.due(&self.outbox)));
        let farewell = loop {
            self.clock.wind(timer.as_mut(), &self.outbox);
            let Self { stream, alerts, outbox, news, work, .. } = &mut self;
            let reads = work.is_none();
            let step = tokio::select! {
                heard = news.recv() => Step::Heard(heard),
                step = poll_fn(|cx| exchange(cx, stream, outbox, reads, alerts.press.counters())) => step,
                answer = finished(work) => Step::Answered(answer),
                () = timer.as_mut() => Step::Due,
                () = stop(&mut stopping) => Step::Over((AWAY, "shutting down")),
                over = pass.changed() => over.map_or(Step::Due, |why| Step::Over((UNAUTHORIZED, why))),
            };
            let came = matches!(step, Step::Came(_));
            if let Some(farewell) = self.take(step) {
                break farewell;
            }
            if came {
                tokio::task::yield_now().await;
            }
        };
        let code = self.part(farewell).await;
        tracing::debug!(code, "a WebSocket is closed");
    }

    fn take(&mut self, step: Step) -> Option<Farewell> {
        match step {
            Step::Heard(Ok(printed)) => self.seat.hear(&printed, &mut self.outbox),
            Step::Heard(Err(RecvError::Lagged(_))) => self.catch_up(),
            Step::Heard(Err(RecvError::Closed)) => return Some((AWAY, "shutting down")),
            Step::Came(Some(Ok(message))) => return self.came(&message),
            Step::Came(Some(Err(error))) => return Some(failure::farewell(error)),
            Step::Came(None) | Step::Broke => return Some((ABNORMAL, "")),
            Step::Answered(answer) => self.answered(answer),
            Step::Due => return self.clock.strike(&mut self.outbox, self.alerts.gate.keeper().now()),
            Step::Over(farewell) => return Some(farewell),
        }
        self.is_over().then_some((TRY_AGAIN, "too slow"))
    }

    /// Whether more waits than its volumes may have to say at once; also those that came after it.
    fn is_over(&mut self) -> bool {
        let urgent = self.clock.pace.urgent;
        if !self.outbox.is_over(urgent + self.seat.burst()) {
            return false;
        }
        let volumes = self.alerts.press.count(|volume| self.seat.filter().wants(volume));
        self.seat.count(volumes);
        self.outbox.is_over(urgent + self.seat.burst())
    }

    fn catch_up(&mut self) {
        let joined = self.alerts.press.join(self.seat.heard(), |volume| self.seat.filter().wants(volume));
        self.seat.catch_up(&joined, &mut self.outbox);
        self.news = joined.news;
    }

    fn came(&mut self, message: &Message) -> Option<Farewell> {
        self.clock.missed = 0;
        let frame = match message {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
            Message::Close(closed) => return Some((closed.as_ref().map_or(NO_CODE, |closed| closed.code), "")),
            Message::Ping(_) | Message::Pong(_) => return None,
        };
        match Request::parse(frame) {
            Ok(request) => self.work = answers::answer(request, &self.alerts, &self.seat, &mut self.outbox),
            Err(Malformed) => self.alerts.press.counters().ignored(),
        }
        None
    }

    fn answered(&mut self, answer: Answer) {
        self.work = None;
        match answer {
            Answer::Measured(statuses) => answers::measured(&statuses, &mut self.outbox),
            Answer::Subscribed { filter, unknown } => {
                let (_, shown) = self.alerts.press.look(|volume| filter.wants(volume));
                self.seat.turn(filter, &shown, &mut self.outbox);
                if let Some(notice) = unknown {
                    self.outbox.put_answer(frames::notice(&notice, OffsetDateTime::now_utc()));
                }
            }
        }
    }

    /// Says goodbye: what must not be missed, then why. Where that cannot be written within a moment, the connection
    /// is dropped; one that is slow has longer to read what waits for it, unless the process stops.
    async fn part(mut self, (code, reason): Farewell) -> u16 {
        let Self { stream, alerts, outbox, clock, .. } = &mut self;
        let (counters, Pace { moment, patience, .. }) = (alerts.press.counters(), clock.pace);
        outbox.only_urgent();
        let time = if code == TRY_AGAIN { patience } else { moment };
        let said = tokio::select! {
            said = timeout(time, farewell(stream, outbox, counters, code, reason)) => said.is_ok_and(|said| said.is_ok()),
            () = async { stop(&mut alerts.stopping).await; sleep(moment).await } => false,
        };
        let code = if said { code } else { ABNORMAL };
        counters.closed(code);
        // Its answer to that, or ours on its way.
        let _ = timeout(moment, async { while let Some(Ok(_)) = stream.next().await {} }).await;
        code
    }
}

/// Writes what can be written, and reads what can be read: nothing while an answer is under way.
fn exchange(
    cx: &mut Context<'_>,
    stream: &mut WebSocket,
    outbox: &mut Outbox,
    reads: bool,
    counters: &Counters,
) -> Poll<Step> {
    if let Poll::Ready(Err(_)) = outbox.poll_drain(cx, stream, counters) {
        return Poll::Ready(Step::Broke);
    }
    if !reads || outbox.is_answering() {
        return Poll::Pending;
    }
    stream.poll_next_unpin(cx).map(Step::Came)
}

async fn farewell(
    stream: &mut WebSocket,
    outbox: &mut Outbox,
    counters: &Counters,
    code: u16,
    reason: &'static str,
) -> Result<(), axum::Error> {
    if reason.is_empty() {
        // The client has closed: it takes nothing more but our answer, which goes by itself.
        return Ok(());
    }
    poll_fn(|cx| outbox.poll_drain(cx, stream, counters)).await?;
    stream.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await
}

async fn finished(work: &mut Option<Work>) -> Answer {
    match work {
        Some(work) => work.as_mut().await,
        None => pending().await,
    }
}

/// Resolves when the process is to stop.
async fn stop(stopping: &mut watch::Receiver<bool>) {
    // An error: whoever could say it is gone, which says it too.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

impl Pass {
    fn ends(&self) -> Option<End> {
        match &self.verdict {
            Verdict::Issued(grant) => Some(grant.ends),
            _ => None,
        }
    }

    /// Resolves when something has changed: why that ends it, or none where it may be its time.
    async fn changed(&mut self) -> Option<&'static str> {
        if self.changes.changed().await.is_err() {
            // Nobody changes anything any more.
            return pending().await;
        }
        let Epoch { master, revoked, .. } = *self.changes.borrow_and_update();
        match &self.verdict {
            Verdict::Master { generation } if master > *generation => Some("the token was replaced"),
            Verdict::Issued(grant) if revoked > grant.revoked => Some("the token was revoked"),
            _ => None,
        }
    }
}
