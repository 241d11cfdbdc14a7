use std::task::Waker;

use time::OffsetDateTime;

use super::super::board::{Board, stats};
use super::super::fixtures::status;
use super::super::frames::{self, Storage};
use super::*;
use crate::model::Level;
use crate::monitor::Event;

/// A sink that takes so many messages, and says when it was flushed.
#[derive(Default)]
struct Pipe {
    room: usize,
    taken: Vec<Message>,
    flushed: usize,
}

impl Sink<Message> for Pipe {
    type Error = ();

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
        if self.room > 0 { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), ()> {
        self.room -= 1;
        self.taken.push(message);
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
        if self.room == 0 {
            return Poll::Pending;
        }
        self.flushed = self.taken.len();
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
        Poll::Ready(Ok(()))
    }
}

fn drain(outbox: &mut Outbox, pipe: &mut Pipe, room: usize) -> bool {
    pipe.room = room;
    let counters = Counters::default();
    outbox.poll_drain(&mut Context::from_waker(Waker::noop()), pipe, &counters).is_ready()
}

fn texts(pipe: &Pipe) -> Vec<&str> {
    pipe.taken.iter().map(|message| if let Message::Text(text) = message { text.as_str() } else { "ping" }).collect()
}

#[test]
fn numbers_are_replaced_and_alerts_are_not() {
    let (mut outbox, mut pipe) = (Outbox::default(), Pipe::default());
    let mut board = Board::default();
    for available in [900, 800, 700] {
        outbox.put(&stats(&status("a", available, Level::Ok, 0)).unwrap());
        outbox.put(&stats(&status("b", available, Level::Ok, 0)).unwrap());
    }
    for round in 1..=3 {
        board.take(&Event::Measured(status("a", 5, Level::Full, round))).iter().for_each(|said| outbox.put(said));
    }
    outbox.ping();
    assert_eq!(outbox.urgent.len(), 6);
    assert!(!outbox.is_over(5), "nothing is blocked");
    assert!(drain(&mut outbox, &mut pipe, 100));
    let texts = texts(&pipe);
    assert_eq!(texts.len(), 9, "{texts:?}");
    assert!(texts[..6].iter().step_by(2).all(|text| text.contains("System out of storage")), "{texts:?}");
    assert_eq!(texts[6], "ping");
    assert!(texts[7].contains(r#""volume_id":"a","disk_bytes":2142240768"#), "{texts:?}");
    assert!(texts[8].contains(r#""volume_id":"b""#) && texts[8].contains("1413480448"), "{texts:?}");
    assert_eq!(pipe.flushed, 9);
    assert!(outbox.waiting().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_blocked_write_goes_on_where_it_was_and_is_known_to_wait() {
    let (mut outbox, mut pipe) = (Outbox::default(), Pipe::default());
    let since = Instant::now();
    (0..4).for_each(|number| outbox.put_frame(number.to_string().into()));
    assert!(!drain(&mut outbox, &mut pipe, 2));
    tokio::time::advance(std::time::Duration::from_secs(3)).await;
    outbox.put_frame("4".into());
    assert!(outbox.is_over(2) && !outbox.is_over(3));
    // Handed over is not written.
    assert_eq!(outbox.waiting(), Some(since));
    assert!(!drain(&mut outbox, &mut pipe, 3));
    assert_eq!((texts(&pipe), outbox.urgent.len()), (vec!["0", "1", "2", "3", "4"], 0));
    assert!(outbox.waiting().is_some());
    assert!(drain(&mut outbox, &mut pipe, 1));
    assert_eq!((pipe.flushed, outbox.waiting()), (5, None));
}

#[test]
fn an_answer_is_known_to_wait_until_it_is_handed_over() {
    let (mut outbox, mut pipe) = (Outbox::default(), Pipe::default());
    outbox.put_answer(frames::notice("x", OffsetDateTime::now_utc()));
    assert!(outbox.is_answering());
    assert!(drain(&mut outbox, &mut pipe, 9));
    assert!(!outbox.is_answering());
}

#[test]
fn saying_goodbye_leaves_only_what_must_not_be_missed() {
    let (mut outbox, mut pipe) = (Outbox::default(), Pipe::default());
    let full = status("a", 5, Level::Full, 1);
    outbox.put(&stats(&full).unwrap());
    outbox.ping();
    outbox.put_frame(Storage::Reminder.frame(&full).into());
    outbox.only_urgent();
    assert!(drain(&mut outbox, &mut pipe, 9));
    assert_eq!(texts(&pipe).len(), 1);
}
