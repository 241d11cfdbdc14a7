//! What one socket wants to hear, and which alerts it was told. Pure.

use std::sync::Arc;

use super::board::{Kind, Printed, Shown};
use super::outbox::Outbox;
use super::press::Joined;
use crate::model::VolumeId;

/// Which volumes a socket hears of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Filter {
    All,
    Only(Vec<VolumeId>),
}

/// One socket's place. An alert has a number of its own, so what was told is a few numbers.
#[derive(Debug)]
pub(super) struct Seat {
    filter: Filter,
    /// The number of the last that it heard.
    heard: u64,
    /// The alerts that it was told and that are not over.
    told: Vec<u64>,
    /// How many volumes it hears of, as far as it was counted.
    volumes: usize,
}

/// What one volume may have to say at once: an alert, in two frames; that it is over; that it is lost.
const FRAMES_OF_A_VOLUME: usize = 4;

impl Filter {
    pub(super) fn wants(&self, volume: &VolumeId) -> bool {
        match self {
            Self::All => true,
            Self::Only(volumes) => volumes.contains(volume),
        }
    }
}

impl Seat {
    pub(super) fn new(filter: Filter) -> Self {
        Self { filter, heard: 0, told: Vec::new(), volumes: 0 }
    }

    pub(super) fn filter(&self) -> &Filter {
        &self.filter
    }

    pub(super) fn heard(&self) -> u64 {
        self.heard
    }

    /// How many frames all that it hears of may have for it at once, in good order.
    pub(super) fn burst(&self) -> usize {
        self.volumes * FRAMES_OF_A_VOLUME
    }

    /// There are so many now. Of those that have gone there may still be something to say.
    pub(super) fn count(&mut self, volumes: usize) {
        self.volumes = self.volumes.max(volumes);
    }

    /// The first of all: how things stand; what was before is nothing it missed.
    pub(super) fn sit_down(&mut self, joined: &Joined, outbox: &mut Outbox) {
        self.heard = joined.last;
        self.show(&joined.shown, outbox);
    }

    /// It fell behind: what it missed, in order, and then how things stand.
    pub(super) fn catch_up(&mut self, joined: &Joined, outbox: &mut Outbox) {
        for printed in &joined.missed {
            self.hear(printed, outbox);
        }
        self.heard = joined.last;
        self.show(&joined.shown, outbox);
    }

    /// Other volumes from now on, and how those stand.
    pub(super) fn turn(&mut self, filter: Filter, shown: &[Arc<Shown>], outbox: &mut Outbox) {
        self.filter = filter;
        self.show(shown, outbox);
    }

    /// Something happened.
    pub(super) fn hear(&mut self, printed: &Arc<Printed>, outbox: &mut Outbox) {
        let is_news = printed.number == 0 || printed.number > self.heard;
        self.heard = self.heard.max(printed.number);
        let wanted = self.filter.wants(&printed.volume);
        match printed.kind {
            _ if !is_news => return,
            // It was shown with how things stand, after the client has turned to other volumes.
            Kind::Alert { .. } if self.told.contains(&printed.number) => return,
            Kind::Storage { ended: Some(ended), .. } => self.told.retain(|number| *number != ended),
            Kind::Alert { .. } if wanted => self.told.push(printed.number),
            _ => {}
        }
        if wanted {
            outbox.put(printed);
        }
    }

    fn show(&mut self, shown: &[Arc<Shown>], outbox: &mut Outbox) {
        self.volumes = shown.len();
        for shown in shown.iter().filter(|shown| self.filter.wants(&shown.volume)) {
            if let Some((number, frames)) = &shown.alert
                && !self.told.contains(number)
            {
                self.told.push(*number);
                frames.iter().for_each(|frame| outbox.put_frame(frame.clone()));
            }
            if let Some(frame) = &shown.lost {
                outbox.put_frame(frame.clone());
            }
            if let Some(stats) = &shown.stats {
                outbox.put(stats);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::broadcast;

    use super::super::board::Board;
    use super::super::fixtures::status;
    use super::*;
    use crate::model::Level;
    use crate::monitor::Event;

    fn joined(board: &mut Board, number: u64) -> Joined {
        let (news, missed, last) = (broadcast::channel(1).1, board.since(number), board.last());
        Joined { news, last, missed, shown: board.shown(|_| true) }
    }

    fn full(board: &mut Board, entering: u64) -> Vec<Arc<Printed>> {
        board.take(&Event::Measured(status("db", 5, Level::Full, entering)))
    }

    fn free(board: &mut Board, entering: u64) -> Vec<Arc<Printed>> {
        board.take(&Event::Measured(status("db", 900, Level::Ok, entering)))
    }

    #[test]
    fn who_falls_behind_misses_no_alert_and_hears_none_twice() {
        let (mut board, mut outbox) = (Board::default(), Outbox::default());
        let mut seat = Seat::new(Filter::All);
        full(&mut board, 1);
        seat.sit_down(&joined(&mut board, 0), &mut outbox);
        // The alert of the beginning, as two frames.
        assert_eq!((outbox.count(), seat.told.len()), (2, 1));
        free(&mut board, 1);
        full(&mut board, 2);
        free(&mut board, 2);
        let late = full(&mut board, 3);
        seat.catch_up(&joined(&mut board, seat.heard()), &mut outbox);
        // Two alerts, and two levels that were left.
        assert_eq!((outbox.count(), seat.told.len()), (2 + 2 * 2 + 2, 1));
        late.iter().for_each(|printed| seat.hear(printed, &mut outbox));
        seat.catch_up(&joined(&mut board, seat.heard()), &mut outbox);
        assert_eq!(outbox.count(), 8);
    }

    #[test]
    fn what_is_further_back_than_is_kept_is_told_once_all_the_same() {
        let (mut board, mut outbox) = (Board::default(), Outbox::default());
        let mut seat = Seat::new(Filter::All);
        seat.sit_down(&joined(&mut board, 0), &mut outbox);
        full(&mut board, 1);
        for round in 0..200 {
            let other = status("other", 300, if round % 2 == 0 { Level::Warning } else { Level::Ok }, 0);
            board.take(&Event::Measured(other));
        }
        seat.catch_up(&joined(&mut board, seat.heard()), &mut outbox);
        assert_eq!((outbox.count(), seat.told.len()), (100 + 2, 1));
    }
}
