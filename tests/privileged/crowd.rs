//! Many volumes at once, and many callers.

mod model;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use ullage::engine::{Error, Kind};
use ullage::model::{Bytes, FsKind};

use crate::scratch::Scratch;
use crate::world::{BLOCK, EXT4, Volume, World, XFS};
use model::{Call, Made, Outcome, State, explain};

const MANY: usize = 300;

#[test]
fn three_hundred_volumes_are_mounted_at_once_and_taken_down_again() {
    let world = World::over(Scratch::with_room(FsKind::Xfs, Bytes::gib(64)));
    let content = |number| if number % 2 == 0 { XFS } else { EXT4 };
    let volumes: Vec<_> = (0..MANY).map(|number| Volume::sparse(&format!("v{number:03}"), content(number))).collect();
    for volume in &volumes {
        world.bring_up(volume);
        world.mark(volume);
    }
    let (mounts, loops) = (world.scratch.mounts(), world.scratch.loops());
    assert_eq!((mounts.len(), loops.len()), (2 * MANY, MANY));
    for volume in &volumes {
        assert!(mounts.contains(&world.staging(volume)) && mounts.contains(&world.target(volume)));
        assert_eq!(world.marked(volume), volume.name);
        assert!(world.total(volume) <= volume.size);
    }
    let (listed, more) = world.engine.list(None, 0).unwrap();
    let names: Vec<_> = listed.into_iter().map(|record| record.spec.name.clone()).collect();
    assert_eq!((names, more), (volumes.iter().map(|volume| volume.name.clone()).collect(), false));
    world.take_down(&volumes.iter().collect::<Vec<_>>());
}

const THREADS: u64 = 20;
const CALLS: usize = 50;
const STEP: Bytes = Bytes::mib(8);

/// What the threads share.
struct Crowd {
    world: World,
    volumes: Vec<Volume>,
    /// Written only while somebody writes into a volume: an open file would keep it from being unmounted.
    quiet: Vec<RwLock<()>>,
    clock: AtomicU64,
}

/// A thread's own luck (`splitmix64`): the same for the same seed.
struct Luck(u64);

impl Luck {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn call(&mut self) -> Call {
        match self.below(24) {
            0..3 => Call::Create,
            3..8 => Call::Stage,
            8..13 => Call::Publish,
            13..15 => Call::Unpublish,
            15..17 => Call::Unstage,
            17..19 => Call::Expand(self.below(6)),
            19 => Call::Delete,
            _ => Call::Mark,
        }
    }
}

impl Crowd {
    fn make(&self, number: usize, call: Call) -> Made {
        let (from, outcome) = match call {
            Call::Mark => {
                let _alone = self.quiet[number].write().unwrap();
                (self.now(), self.mark(&self.volumes[number]))
            }
            _ => {
                let _noisy = self.quiet[number].read().unwrap();
                (self.now(), self.ask(&self.volumes[number], call))
            }
        };
        Made { call, outcome, from, to: self.now() }
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn ask(&self, volume: &Volume, call: Call) -> Outcome {
        let world = &self.world;
        let answer = match call {
            Call::Create => world.create(volume).map(drop),
            Call::Stage => world.stage(volume),
            Call::Publish => world.publish(volume),
            Call::Unpublish => world.unpublish(volume),
            Call::Unstage => world.unstage(volume),
            Call::Expand(steps) => world.expand(volume, grown(volume, steps)).map(drop),
            Call::Delete => world.delete(volume),
            Call::Mark | Call::Look => unreachable!("not asked of the engine"),
        };
        match answer {
            Ok(()) => Outcome::Done,
            Err(error) => Outcome::Refused(error.kind(), error.to_string()),
        }
    }

    fn mark(&self, volume: &Volume) -> Outcome {
        if !self.world.scratch.mounts().contains(&self.world.target(volume)) {
            return Outcome::Marked(None);
        }
        let found = self.world.marked(volume);
        assert!(found.is_empty() || found == volume.name, "'{found}' shows in {}", volume.name);
        self.world.mark(volume);
        Outcome::Marked(Some(!found.is_empty()))
    }

    /// Questions take no lock and must be answered at any moment.
    fn question(&self, volume: &Volume) {
        let refused = |error: Error| {
            let expected = matches!(error.kind(), Kind::NotFound | Kind::NotNow | Kind::Unavailable);
            assert!(expected, "a question about {}: {error}", volume.name);
        };
        self.world.engine.inspect(&volume.id()).map(drop).unwrap_or_else(refused);
        self.world.engine.usage(&volume.id(), &self.world.target(volume)).map(drop).unwrap_or_else(refused);
        self.world.engine.health(&volume.id()).map(drop).unwrap_or_else(refused);
        self.world.engine.list(None, 0).unwrap();
    }

    /// What is done behind the calls, without rest: it is no call, and no caller hears of it.
    fn tend_until(&self, is_over: &AtomicBool) {
        while !is_over.load(Ordering::Relaxed) {
            self.world.engine.tend();
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What the record and the kernel say in the end.
    fn look(&self, volume: &Volume) -> State {
        let Ok(found) = self.world.engine.inspect(&volume.id()) else { return State::default() };
        let mounts: Vec<_> = found.presence.mounts.iter().map(|mount| mount.target.as_path()).collect();
        let staging = self.world.staging(volume);
        let record = &found.record;
        State {
            exists: true,
            staged: mounts.iter().any(|mount| mount.starts_with(&staging)),
            published: mounts.contains(&self.world.target(volume).as_path()),
            attached: found.presence.device.is_some(),
            steps: record.spec.size.saturating_sub(volume.size).get() / STEP.get(),
            pending: record.growth_is_pending(),
            marked: false,
        }
    }

    /// One caller: its calls, each with the number of the volume.
    fn caller(&self, mut luck: Luck) -> Vec<(usize, Made)> {
        let mut made = Vec::new();
        for _ in 0..CALLS {
            let number = usize::try_from(luck.below(self.volumes.len() as u64)).unwrap();
            made.push((number, self.make(number, luck.call())));
            if luck.below(4) == 0 {
                self.question(&self.volumes[number]);
            }
        }
        made
    }
}

fn grown(volume: &Volume, steps: u64) -> Bytes {
    volume.size.saturating_add(Bytes::new(STEP.get() * steps))
}

/// Busy is an answer only while another call on the volume is under way; it changes nothing.
fn without_busy(history: Vec<Made>) -> Vec<Made> {
    let is_busy = |made: &Made| matches!(made.outcome, Outcome::Refused(Kind::Busy, _));
    let (busy, worked): (Vec<_>, Vec<_>) = history.into_iter().partition(is_busy);
    for refused in busy {
        let other = worked.iter().find(|other| other.from < refused.to && refused.from < other.to);
        assert!(other.is_some(), "nobody else was at work: {refused:?}");
    }
    worked
}

fn run(seed: u64) {
    let world = World::over(Scratch::with_room(FsKind::Xfs, Bytes::gib(16)));
    let content = |number| [EXT4, XFS, BLOCK][number % 3];
    let volume = |number: usize| Volume { sparse: number > 5, ..Volume::new(&format!("v{number}"), content(number)) };
    let volumes: Vec<_> = (0..10).map(volume).collect();
    let quiet = volumes.iter().map(|_| RwLock::default()).collect();
    let crowd = Crowd { world, volumes, quiet, clock: AtomicU64::new(0) };
    let is_over = AtomicBool::new(false);
    let made: Vec<_> = std::thread::scope(|scope| {
        scope.spawn(|| crowd.tend_until(&is_over));
        let callers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let crowd = &crowd;
                scope.spawn(move || crowd.caller(Luck(seed.wrapping_mul(THREADS).wrapping_add(thread))))
            })
            .collect();
        let ended: Vec<_> = callers.into_iter().map(ScopedJoinHandle::join).collect();
        is_over.store(true, Ordering::Relaxed);
        ended.into_iter().flat_map(|made| made.expect("a caller failed: see above")).collect()
    });
    let worked = made.iter().filter(|(_, made)| made.outcome == Outcome::Done).count();
    assert!(worked > made.len() / 4, "only {worked} of {} calls did anything", made.len());
    for (number, volume) in crowd.volumes.iter().enumerate() {
        let mine = made.iter().filter(|(of, _)| *of == number).map(|(_, made)| made.clone());
        let mut history = without_busy(mine.collect());
        let (from, outcome) = (crowd.now(), Outcome::Seen(crowd.look(volume)));
        history.push(Made { call: Call::Look, outcome, from, to: crowd.now() });
        history.sort_by_key(|made| made.from);
        if let Err(stuck) = explain(volume.content, &history) {
            panic!("no order of the calls explains what came of them on {volume:?}: {stuck:#?} in {history:#?}");
        }
        // In the order that a kubelet keeps, all of it goes.
        for call in [Call::Unpublish, Call::Unstage, Call::Delete] {
            let gone = crowd.ask(volume, call);
            assert!(matches!(gone, Outcome::Done | Outcome::Refused(Kind::NotFound, _)), "{call:?}: {gone:?}");
        }
    }
    crowd.world.check_empty();
}

#[test]
fn twenty_callers_on_ten_volumes_see_what_one_after_the_other_would() {
    let chosen = std::env::var("ULLAGE_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
    let started = Instant::now();
    for seed in chosen.map_or(1..=2, |seed: u64| seed..=seed) {
        let done = catch_unwind(AssertUnwindSafe(|| run(seed)));
        assert!(done.is_ok(), "again with ULLAGE_TEST_SEED={seed}; after {:.1?}", started.elapsed());
    }
}
