use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{advance, sleep};

use super::*;
use crate::model::{Bytes, Inodes, Level};

/// A volume of which a test says how full it is, and whether it answers.
#[derive(Default)]
struct Fake {
    says: Mutex<Option<Result<Reading, String>>>,
    looks: AtomicUsize,
    inside: AtomicUsize,
    is_hung: Mutex<bool>,
    is_aside: AtomicBool,
    behind: Mutex<Option<Bytes>>,
    released: Condvar,
}

/// One volume at a time.
impl Monitor {
    /// Watches this volume too.
    pub(crate) fn add(&self, target: Target) {
        self.0.put(&mut self.0.write(), target);
        self.0.is_told.store(true, Ordering::Release);
    }

    /// Watches this volume no more.
    pub(crate) fn remove(&self, id: &VolumeId) {
        self.0.take(&mut self.0.write(), id);
    }
}

impl Gauge for Fake {
    fn read(&self) -> Result<Reading, String> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        assert_eq!(self.inside.fetch_add(1, Ordering::SeqCst), 0, "two looks at once");
        let held = self.released.wait_while(self.is_hung.lock().unwrap(), |is_hung| *is_hung).unwrap();
        drop(held);
        self.inside.fetch_sub(1, Ordering::SeqCst);
        let says = self.says.lock().unwrap().clone();
        says.expect("something to say")
    }

    fn behind(&self) -> Option<Bytes> {
        *self.behind.lock().unwrap()
    }

    fn is_aside(&self) -> bool {
        self.is_aside.load(Ordering::SeqCst)
    }
}

impl Fake {
    fn new(available: u64) -> Arc<Self> {
        let fake = Arc::new(Self::default());
        fake.set(available);
        fake
    }

    /// Of 1000 MiB.
    fn set(&self, available: u64) {
        self.sized(1000, available);
    }

    fn sized(&self, size: u64, available: u64) {
        let reading = Reading { size: Bytes::mib(size), available: Bytes::mib(available), inodes: Inodes::default() };
        *self.says.lock().unwrap() = Some(Ok(reading));
    }

    fn lose(&self, reason: &str) {
        *self.says.lock().unwrap() = Some(Err(reason.to_owned()));
    }

    fn hang(&self, is_hung: bool) {
        *self.is_hung.lock().unwrap() = is_hung;
        self.released.notify_all();
    }

    fn looks(&self) -> usize {
        self.looks.load(Ordering::SeqCst)
    }

    /// Until a thread is in it.
    fn wait_inside(&self) {
        while self.inside.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
    }
}

fn id(name: &str) -> VolumeId {
    VolumeId::parse(name).unwrap()
}

fn target(name: &str, gauge: &Arc<Fake>) -> Target {
    Target { id: id(name), gauge: Arc::clone(gauge) as Arc<dyn Gauge>, generation: 0, warn_percent: None }
}

fn watch(gauges: &[(&str, &Arc<Fake>)]) -> (Monitor, Receiver<Arc<Event>>) {
    let monitor = Monitor::new(Thresholds::default());
    let events = monitor.subscribe();
    monitor.set_targets(gauges.iter().map(|(name, gauge)| target(name, gauge)).collect());
    (monitor, events)
}

fn words(event: &Event) -> String {
    let mib = |status: &Status| status.reading.unwrap().available.get() >> 20;
    match event {
        Event::Measured(status) => format!("measured {}", mib(status)),
        Event::Level { status, previous } => format!("{previous}>{} {}", status.level, mib(status)),
        Event::Reminder(status) => format!("reminder {}", mib(status)),
        Event::Resized { status, previous } => format!("resized {previous}>{}", status.reading.unwrap().size),
        Event::Lost(status) => format!("lost: {}", status.lost.as_ref().unwrap()),
        Event::Found(_) => "found".to_owned(),
        Event::Gone(id) => format!("gone {id}"),
    }
}

fn drain(events: &mut Receiver<Arc<Event>>) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        match events.try_recv() {
            Ok(event) => found.push(words(&event)),
            Err(TryRecvError::Empty | TryRecvError::Closed) => return found,
            Err(TryRecvError::Lagged(_)) => found.push("lagged".to_owned()),
        }
    }
}

/// Only what is no number.
fn drain_news(events: &mut Receiver<Arc<Event>>) -> Vec<String> {
    drain(events).into_iter().filter(|event| !event.starts_with("measured")).collect()
}

async fn secs(secs: u64) {
    sleep(Duration::from_secs(secs)).await;
}

/// Until it is so, in real time.
async fn until(mut condition: impl FnMut() -> bool) {
    for _ in 0..5000 {
        if condition() {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    panic!("it never came");
}

#[tokio::test(start_paused = true)]
async fn one_alert_for_each_time_it_becomes_full() {
    let gauge = Fake::new(900);
    let (monitor, mut events) = watch(&[("a", &gauge)]);
    secs(5).await;
    assert_eq!(drain(&mut events), ["measured 900"]);
    for (available, news) in [
        (150, vec!["ok>warning 150"]),
        (40, vec!["warning>full 40"]),
        (0, vec![]),
        (60, vec![]),
        (69, vec![]),
        (0, vec![]),
        (70, vec!["full>warning 70"]),
        (40, vec!["warning>full 40"]),
        (900, vec!["full>ok 900"]),
        (0, vec!["ok>full 0"]),
    ] {
        gauge.set(available);
        secs(6).await;
        assert_eq!(drain_news(&mut events), news, "{available}");
    }
    let numbers = monitor.numbers();
    let [volume] = &numbers.volumes[..] else { panic!("{numbers:?}") };
    assert_eq!((volume.warnings, volume.fulls, volume.level), (1, 3, Level::Full));
    assert!(volume.age.unwrap() <= Duration::from_secs(1) && volume.samples > 10);
    assert_eq!(numbers.durations.counts.iter().sum::<u64>(), volume.samples);
}

#[tokio::test(start_paused = true)]
async fn who_starts_beside_a_full_volume_says_so_once() {
    let gauge = Fake::new(10);
    let (monitor, mut events) = watch(&[("a", &gauge)]);
    secs(20).await;
    assert_eq!(drain(&mut events), ["ok>full 10", "measured 10"]);
    let status = monitor.status(&id("a")).unwrap();
    assert_eq!((status.entered_full, status.level), (1, Level::Full));
}

#[tokio::test(start_paused = true)]
async fn a_full_volume_reminds_every_five_minutes_from_entering() {
    let gauge = Fake::new(0);
    let (_monitor, mut events) = watch(&[("a", &gauge)]);
    secs(299).await;
    assert_eq!(drain_news(&mut events), ["ok>full 0"]);
    secs(2).await;
    assert_eq!(drain(&mut events), ["reminder 0"]);
    secs(298).await;
    assert_eq!(drain(&mut events), [""; 0]);
    secs(2).await;
    assert_eq!(drain(&mut events), ["reminder 0"]);
    secs(100).await;
    gauge.set(900);
    secs(1000).await;
    assert_eq!(drain_news(&mut events), ["full>ok 900"]);
    gauge.set(0);
    secs(10).await;
    assert_eq!(drain_news(&mut events), ["ok>full 0"]);
    secs(280).await;
    assert_eq!(drain(&mut events), [""; 0]);
    gauge.lose("unmounted");
    secs(100).await;
    assert_eq!(drain(&mut events), ["lost: unmounted"], "old numbers are worth no reminder");
}

#[tokio::test(start_paused = true)]
async fn numbers_come_once_a_second_and_the_last_always() {
    let gauge = Fake::new(300);
    let (monitor, mut events) = watch(&[("a", &gauge)]);
    let mut seen = Vec::new();
    for available in (290..300).rev() {
        gauge.set(available);
        monitor.measure(&id("a")).await.unwrap();
        seen.extend(drain(&mut events));
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(seen.len(), 1, "{seen:?}");
    sleep(Duration::from_millis(800)).await;
    assert_eq!(drain(&mut events), [""; 0]);
    sleep(Duration::from_millis(300)).await;
    assert_eq!(drain(&mut events), ["measured 290"]);
    secs(60).await;
    assert_eq!(drain(&mut events), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_volume_at_rest_is_looked_at_by_its_room() {
    let (near, far, full) = (Fake::new(201), Fake::new(0), Fake::new(0));
    far.sized(1_000_000, 900_000);
    let (_monitor, _events) = watch(&[("near", &near), ("far", &far), ("full", &full)]);
    secs(100).await;
    let near = near.looks();
    assert!((1900..=2001).contains(&near), "{near}");
    assert_eq!((far.looks(), full.looks()), (20, 100));
}

#[tokio::test(start_paused = true)]
async fn a_growth_is_told_when_the_filesystem_has_followed_and_raises_no_alarm() {
    let gauge = Fake::new(500);
    let (monitor, mut events) = watch(&[("a", &gauge)]);
    secs(5).await;
    gauge.sized(20_000, 500);
    secs(5).await;
    assert_eq!(monitor.status(&id("a")).unwrap().reading.unwrap().size, Bytes::mib(1000));
    assert_eq!(drain_news(&mut events), [""; 0]);
    gauge.sized(20_000, 19_000);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(drain_news(&mut events), ["resized 1000Mi>19.5Gi"]);
    gauge.sized(500, 400);
    secs(5).await;
    assert_eq!(drain_news(&mut events), ["resized 19.5Gi>500Mi"]);
}

#[tokio::test(start_paused = true)]
async fn a_growth_is_looked_at_often_while_it_is_young_and_never_less_than_its_room_asks_for() {
    let (near, far) = (Fake::new(201), Fake::new(0));
    far.sized(1_000_000, 900_000);
    let (monitor, mut events) = watch(&[("near", &near), ("far", &far)]);
    secs(1).await;
    near.sized(2000, 201);
    far.sized(2_000_000, 900_000);
    *near.behind.lock().unwrap() = Some(Bytes::mib(1000));
    *far.behind.lock().unwrap() = Some(Bytes::mib(1_000_000));
    secs(6).await;
    for (while_young, seconds) in [(true, 50), (false, 500)] {
        let before = (near.looks(), far.looks());
        secs(seconds).await;
        let looks = |gauge: &Fake, before: usize| (gauge.looks() - before) as u64 / seconds;
        assert!((18..=20).contains(&looks(&near, before.0)), "{}", looks(&near, before.0));
        let expected = if while_young { 9..=10 } else { 0..=0 };
        assert!(expected.contains(&looks(&far, before.1)), "{}", looks(&far, before.1));
        secs(10).await;
    }
    assert_eq!(monitor.status(&id("near")).unwrap().reading.unwrap().size, Bytes::mib(1000));
    assert_eq!(drain_news(&mut events), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn growing_is_a_way_out_of_full() {
    let gauge = Fake::new(0);
    let (_monitor, mut events) = watch(&[("a", &gauge)]);
    secs(5).await;
    gauge.sized(2000, 990);
    secs(5).await;
    assert_eq!(drain(&mut events), ["ok>full 0", "measured 0", "resized 1000Mi>1.9Gi", "full>ok 990", "measured 990"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_volume_is_named_and_found_again_without_a_second_alert() {
    let (a, b) = (Fake::new(10), Fake::new(900));
    let (monitor, mut events) = watch(&[("a", &a), ("b", &b)]);
    assert_eq!(monitor.ready(), Err("a: not measured yet\nb: not measured yet".to_owned()));
    secs(2).await;
    assert_eq!(monitor.ready(), Ok(()));
    drain(&mut events);
    a.lose("/data is no mount point");
    secs(10).await;
    assert_eq!(drain(&mut events), ["lost: /data is no mount point"]);
    assert_eq!(monitor.ready(), Err("a: /data is no mount point".to_owned()));
    let status = monitor.status(&id("a")).unwrap();
    assert_eq!((status.level, status.reading.is_some()), (Level::Full, true));
    a.set(10);
    secs(2).await;
    assert_eq!(drain(&mut events), ["found"]);
    assert_eq!((monitor.ready(), monitor.status(&id("a")).unwrap().entered_full), (Ok(()), 1));
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_we_take_away_ourselves_is_not_lost_and_is_still_full_when_it_is_back() {
    let gauge = Fake::new(10);
    let (monitor, mut events) = watch(&[("a", &gauge)]);
    secs(2).await;
    assert_eq!(drain(&mut events), ["ok>full 10", "measured 10"]);
    gauge.is_aside.store(true, Ordering::SeqCst);
    gauge.lose("not mounted there");
    secs(3).await;
    let before = gauge.looks();
    secs(1).await;
    assert!(gauge.looks() >= before + 9, "it is looked at again soon");
    assert_eq!((drain(&mut events), monitor.ready()), (vec![], Ok(())));
    let status = monitor.measure(&id("a")).await.unwrap();
    assert_eq!((status.level, status.lost.clone(), status.entered_full), (Level::Full, None, 1));
    gauge.set(10);
    secs(2).await;
    assert_eq!(drain(&mut events), [""; 0]);
    // Taken away by another, it is told at the next look.
    gauge.is_aside.store(false, Ordering::SeqCst);
    gauge.lose("not mounted there");
    monitor.nudge();
    sleep(Duration::from_millis(150)).await;
    assert_eq!(drain(&mut events), ["lost: not mounted there"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_ready_before_it_is_known_which_volumes_there_are() {
    let monitor = Monitor::new(Thresholds::default());
    assert_eq!(monitor.ready(), Err("which volumes are here is not known yet".to_owned()));
    monitor.set_targets(Vec::new());
    assert_eq!(monitor.ready(), Ok(()));
    // A volume that is just being made, and is not mounted yet.
    let gauge = Fake::new(10);
    gauge.is_aside.store(true, Ordering::SeqCst);
    gauge.lose("not mounted there");
    monitor.add(target("a", &gauge));
    secs(1).await;
    assert_eq!(monitor.ready(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_was_never_there_is_lost_from_the_start() {
    let gauge = Fake::new(0);
    gauge.lose("nothing there");
    let (monitor, mut events) = watch(&[("a", &gauge)]);
    secs(3).await;
    assert_eq!(drain(&mut events), ["lost: nothing there"]);
    assert_eq!(monitor.status(&id("a")).unwrap().reading, None);
    gauge.set(0);
    secs(3).await;
    assert_eq!(drain(&mut events), ["ok>full 0", "found", "measured 0"]);
}

#[tokio::test(start_paused = true)]
async fn a_nudge_looks_at_once_and_not_too_often() {
    let gauge = Fake::new(900);
    gauge.sized(1_000_000, 900_000);
    let (monitor, mut events) = watch(&[("a", &gauge)]);
    sleep(Duration::from_millis(10)).await;
    assert_eq!(gauge.looks(), 1);
    drain(&mut events);
    gauge.lose("unmounted");
    monitor.nudge();
    sleep(Duration::from_millis(5)).await;
    assert_eq!(drain(&mut events), ["lost: unmounted"]);
    gauge.sized(1_000_000, 900_000);
    secs(2).await;
    let before = gauge.looks();
    for _ in 0..1000 {
        monitor.nudge();
        sleep(Duration::from_millis(1)).await;
    }
    let looks = gauge.looks() - before;
    assert!((10..=12).contains(&looks), "{looks}");
}

#[tokio::test(start_paused = true)]
async fn those_who_measure_at_once_share_a_look_that_is_fresh() {
    let gauge = Fake::new(900);
    gauge.sized(1_000_000, 900_000);
    let (monitor, _events) = watch(&[("a", &gauge)]);
    secs(1).await;
    let before = gauge.looks();
    gauge.sized(1_000_000, 800_000);
    let asked: Vec<_> = (0..100)
        .map(|_| {
            let monitor = monitor.clone();
            tokio::spawn(async move { monitor.measure(&id("a")).await.unwrap().reading.unwrap().available })
        })
        .collect();
    for answer in asked {
        assert_eq!(answer.await.unwrap(), Bytes::mib(800_000));
    }
    assert_eq!(gauge.looks(), before + 1);
    assert_eq!(monitor.measure(&id("b")).await, None);
}

#[tokio::test]
async fn a_look_under_way_is_not_fresh_enough() {
    let gauge = Fake::new(900);
    gauge.hang(true);
    let (monitor, _events) = watch(&[("a", &gauge)]);
    until(|| gauge.inside.load(Ordering::SeqCst) == 1).await;
    let (asked, asker) = (monitor.clone(), monitor.clone());
    let asked = tokio::spawn(async move { asked.measure(&id("a")).await.unwrap() });
    tokio::task::yield_now().await;
    gauge.hang(false);
    assert!(!asked.await.unwrap().hung);
    assert!(gauge.looks() >= 2, "the look that was under way was taken for a fresh one");
    assert!(!asker.measure(&id("a")).await.unwrap().hung);
}

#[tokio::test]
async fn who_hangs_holds_one_thread_and_nobody_up() {
    let timing = Timing { limit: Duration::from_millis(100), ..Timing::default() };
    let monitor = Monitor::with_timing(Thresholds::default(), timing);
    let (stuck, well) = (Fake::new(900), Fake::new(900));
    monitor.set_targets(vec![target("stuck", &stuck), target("well", &well)]);
    until(|| monitor.ready().is_ok()).await;
    let mut events = monitor.subscribe();
    stuck.hang(true);
    until(|| monitor.status(&id("stuck")).unwrap().hung).await;
    assert_eq!(monitor.status(&id("stuck")).unwrap().reading.unwrap().available, Bytes::mib(900));

    let asked = std::time::Instant::now();
    for _ in 0..1000 {
        assert!(monitor.measure(&id("stuck")).await.unwrap().hung);
        assert_eq!(monitor.statuses().len(), 2);
    }
    assert!(asked.elapsed() < Duration::from_secs(1), "whoever asks waits for a volume that hangs");
    monitor.nudge();
    well.set(0);
    until(|| drain_news(&mut events) == ["ok>full 0"]).await;
    assert!(!monitor.status(&id("well")).unwrap().hung);
    sleep(Duration::from_millis(300)).await;
    assert_eq!(stuck.inside.load(Ordering::SeqCst), 1);

    stuck.set(10);
    stuck.hang(false);
    until(|| !monitor.status(&id("stuck")).unwrap().hung).await;
    until(|| drain_news(&mut events) == ["ok>full 10"]).await;
}

#[tokio::test]
async fn who_measures_waits_for_the_limit_at_most() {
    let timing = Timing { limit: Duration::from_millis(100), ..Timing::default() };
    let monitor = Monitor::with_timing(Thresholds::default(), timing);
    let gauge = Fake::new(900);
    gauge.hang(true);
    monitor.add(target("a", &gauge));
    let asked = std::time::Instant::now();
    let status = monitor.measure(&id("a")).await.unwrap();
    assert!(status.hung && status.reading.is_none());
    assert!((50..1000).contains(&asked.elapsed().as_millis()), "{:?}", asked.elapsed());
    gauge.hang(false);
}

#[tokio::test(start_paused = true)]
async fn a_full_volume_that_hangs_still_reminds() {
    let gauge = Fake::new(0);
    let (_monitor, mut events) = watch(&[("a", &gauge)]);
    secs(5).await;
    gauge.hang(true);
    advance(Duration::from_secs(1)).await;
    tokio::task::yield_now().await;
    gauge.wait_inside();
    drain(&mut events);
    for _ in 0..30 {
        advance(Duration::from_secs(10)).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(drain(&mut events), ["reminder 0"]);
    gauge.hang(false);
}

#[tokio::test]
async fn a_volume_removed_while_it_hangs_is_gone_at_once_and_back_on_the_same_thread() {
    let gauge = Fake::new(900);
    gauge.hang(true);
    let (monitor, mut events) = watch(&[("a", &gauge)]);
    until(|| gauge.inside.load(Ordering::SeqCst) == 1).await;
    let asker = monitor.clone();
    let asked = tokio::spawn(async move { asker.measure(&id("a")).await });
    tokio::task::yield_now().await;
    monitor.remove(&id("a"));
    assert_eq!(asked.await.unwrap(), None);
    assert_eq!((drain(&mut events), monitor.statuses().len()), (vec!["gone a".to_owned()], 0));
    for _ in 0..10 {
        monitor.set_targets(vec![target("a", &gauge)]);
        sleep(Duration::from_millis(2)).await;
        monitor.set_targets(vec![]);
    }
    monitor.add(target("a", &gauge));
    assert_eq!(gauge.looks(), 1);
    gauge.hang(false);
    until(|| monitor.ready().is_ok()).await;
    assert_eq!(drain(&mut events).last().unwrap(), "measured 900");
}

#[tokio::test(start_paused = true)]
async fn the_set_changes_and_what_is_known_stays() {
    let (a, b) = (Fake::new(0), Fake::new(900));
    let (monitor, mut events) = watch(&[("a", &a)]);
    secs(2).await;
    drain(&mut events);
    monitor.set_targets(vec![target("b", &b), target("a", &a)]);
    secs(2).await;
    assert_eq!(drain(&mut events), ["measured 900"]);
    monitor.set_targets(vec![target("b", &b)]);
    secs(2).await;
    assert_eq!(drain(&mut events), ["gone a"]);
    let looks = a.looks();
    secs(20).await;
    assert_eq!((a.looks(), monitor.statuses().len(), monitor.status(&id("a"))), (looks, 1, None));
    // Another generation is another gauge of the same volume; the same one is not.
    monitor.add(target("b", &a));
    secs(10).await;
    assert_eq!(drain(&mut events), [""; 0]);
    monitor.add(Target { generation: 1, ..target("b", &a) });
    sleep(Duration::from_millis(10)).await;
    assert_eq!(drain(&mut events), ["ok>full 0", "measured 0"]);
    drop(monitor);
    assert!(matches!(events.recv().await, Err(RecvError::Closed)));
}

#[tokio::test]
async fn what_an_old_gauge_brings_late_is_of_no_interest() {
    let (old, new) = (Fake::new(0), Fake::new(900));
    old.lose("unmounted");
    old.hang(true);
    let (monitor, mut events) = watch(&[("a", &old)]);
    until(|| old.inside.load(Ordering::SeqCst) == 1).await;
    monitor.add(Target { generation: 1, ..target("a", &new) });
    old.hang(false);
    until(|| monitor.ready().is_ok()).await;
    assert_eq!(drain(&mut events), ["measured 900"]);
}

#[tokio::test(start_paused = true)]
async fn who_lags_finds_the_alert_in_the_statuses() {
    let gauge = Fake::new(900);
    gauge.sized(1_000_000, 900_000);
    let (monitor, mut events) = watch(&[("a", &gauge)]);
    secs(1).await;
    let known = monitor.status(&id("a")).unwrap().entered_full;
    for step in 0..3000 {
        gauge.sized(1_000_000, if step == 5 { 0 } else { 900_000 - step });
        monitor.measure(&id("a")).await;
        secs(1).await;
    }
    assert!(drain(&mut events).contains(&"lagged".to_owned()));
    let status = monitor.status(&id("a")).unwrap();
    assert_eq!((known, status.entered_full, status.level), (0, 1, Level::Ok));
}

#[tokio::test(start_paused = true)]
async fn a_gauge_that_panics_is_a_lost_volume() {
    let gauge = Arc::new(Fake::default());
    let (monitor, mut events) = watch(&[("a", &gauge)]);
    secs(3).await;
    assert_eq!(drain(&mut events), ["lost: it cannot be measured: the measurement panicked"]);
    gauge.set(900);
    secs(3).await;
    assert_eq!((drain(&mut events), monitor.ready()), (vec!["found".to_owned(), "measured 900".to_owned()], Ok(())));
}

#[tokio::test(start_paused = true)]
async fn a_volume_with_a_warning_of_its_own_is_warned_of_there_and_others_are_not() {
    let (a, b) = (Fake::new(900), Fake::new(900));
    let (monitor, mut events) = watch(&[("a", &a)]);
    monitor.add(Target { warn_percent: Some(50), ..target("b", &b) });
    secs(2).await;
    drain(&mut events);
    a.set(400);
    b.set(400);
    secs(6).await;
    let level = |name: &str| monitor.status(&id(name)).unwrap().level;
    assert_eq!((level("a"), level("b")), (Level::Ok, Level::Warning));
    // It ends as far below as every other.
    b.set(510);
    secs(6).await;
    assert_eq!(level("b"), Level::Warning);
    b.set(520);
    secs(6).await;
    assert_eq!(level("b"), Level::Ok);
    // Made anew under the same name, with another wish: seen at once.
    monitor.add(Target { warn_percent: Some(40), ..target("b", &b) });
    secs(1).await;
    assert_eq!(level("b"), Level::Warning);
}
