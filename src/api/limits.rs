//! How often somebody may ask: so much for each token, and not many wrong tokens.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::tokens::Key;

/// So many requests a second for each token, after a burst.
pub struct Limits {
    limiter: Option<DefaultKeyedRateLimiter<Key>>,
    asked: AtomicU32,
}

/// So many wrong tokens a minute from each address. It never stands in the way of a good token: only whoever has shown
/// a wrong one is counted here.
#[derive(Default)]
pub struct Failures(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    windows: HashMap<IpAddr, Window>,
    /// All addresses for which there was no room.
    rest: Option<Window>,
    swept: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Window {
    begun: Instant,
    count: u32,
}

/// After so many requests, tokens that were not used lately are forgotten.
const SWEEP: u32 = 4096;

/// How many wrong tokens an address may show in a [`MINUTE`].
const WRONG: u32 = 20;

const MINUTE: Duration = Duration::from_secs(60);

/// How many addresses are counted at a time: half a megabyte at most.
const ADDRESSES: usize = 4096;

impl Limits {
    /// `per_second` 0 is no limit; a burst is at least one.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let quota = |rate| Quota::per_second(rate).allow_burst(burst);
        let limiter = NonZeroU32::new(per_second).map(|rate| RateLimiter::keyed(quota(rate)));
        Self { limiter, asked: AtomicU32::new(0) }
    }

    /// Counts a request with a good token.
    ///
    /// # Errors
    /// It is one too many; after that long it would not be.
    pub fn allow(&self, key: Key) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        limiter.check_key(&key).map_err(|not_yet| not_yet.wait_time_from(limiter.clock().now()))
    }
}

impl Failures {
    /// Counts a wrong token from that address.
    ///
    /// # Errors
    /// It is one too many; after that long wrong ones are answered again.
    pub fn allow(&self, address: IpAddr) -> Result<(), Duration> {
        self.allow_at(address, Instant::now())
    }

    /// Whether another wrong token from that address would be answered as one.
    pub fn may_guess(&self, address: IpAddr) -> bool {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        counts.known(network(address)).is_none_or(|window| window.is_over(now) || window.count < WRONG)
    }

    fn allow_at(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.window(network(address), now).count(now)
    }
}

impl Counts {
    /// The count of an address that has shown a wrong one, or of all for which there was no room.
    fn known(&self, network: IpAddr) -> Option<&Window> {
        let is_full = self.windows.len() >= ADDRESSES;
        self.windows.get(&network).or(self.rest.as_ref().filter(|_| is_full))
    }

    fn window(&mut self, network: IpAddr, now: Instant) -> &mut Window {
        let fresh = Window { begun: now, count: 0 };
        // Not at every one: with many addresses that would be the attack.
        if self.windows.len() >= ADDRESSES && self.swept.is_none_or(|swept| now >= swept + Duration::from_secs(1)) {
            self.windows.retain(|_, window| !window.is_over(now));
            self.swept = Some(now);
        }
        let is_full = self.windows.len() >= ADDRESSES;
        match self.windows.entry(network) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) if !is_full => place.insert(fresh),
            Entry::Vacant(_) => self.rest.get_or_insert(fresh),
        }
    }
}

impl Window {
    fn is_over(&self, now: Instant) -> bool {
        now >= self.begun + MINUTE
    }

    fn count(&mut self, now: Instant) -> Result<(), Duration> {
        if self.is_over(now) {
            *self = Self { begun: now, count: 0 };
        }
        self.count = self.count.saturating_add(1);
        if self.count <= WRONG { Ok(()) } else { Err((self.begun + MINUTE).saturating_duration_since(now)) }
    }
}

/// Seconds for `Retry-After`: whole, and at least one.
pub fn retry_after(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// Who an address belongs to: of IPv6, a client has a whole /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() & (u128::MAX << 64)).into(),
        four @ IpAddr::V4(_) => four,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_token_has_its_burst_and_zero_is_no_limit() {
        let limits = Limits::new(1, 3);
        let key = Key::of_test(7);
        assert!((0..3).all(|_| limits.allow(key).is_ok()));
        let wait = limits.allow(key).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        limits.allow(Key::MASTER).unwrap();
        let off = Limits::new(0, 0);
        assert!((0..10_000).all(|_| off.allow(key).is_ok()));
        let strict = Limits::new(1, 0);
        strict.allow(key).unwrap();
        strict.allow(key).unwrap_err();
    }

    #[test]
    fn tokens_that_are_not_used_are_forgotten() {
        let limits = Limits::new(1_000_000, 1);
        assert!((0..100_000).all(|n| limits.allow(Key::of_test(n)).is_ok()));
        assert!(limits.limiter.as_ref().unwrap().len() <= 2 * SWEEP as usize);
    }

    #[test]
    fn the_twenty_first_wrong_token_of_a_minute_is_too_many() {
        let (failures, begin) = (Failures::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        let me = ip("192.0.2.1");
        (0..20).for_each(|n| failures.allow_at(me, at(n)).unwrap());
        assert_eq!(failures.allow_at(me, at(20)), Err(Duration::from_secs(40)));
        assert_eq!(failures.allow_at(me, at(59)), Err(Duration::from_secs(1)));
        failures.allow_at(ip("192.0.2.2"), at(59)).unwrap();
        failures.allow_at(me, at(60)).unwrap();
    }

    #[test]
    fn a_client_is_its_network_however_it_is_spelt() {
        for (one, other, same) in [
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8::1", "2001:db8::ffff:0:0:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("127.0.0.1", "::1", false),
        ] {
            assert_eq!(network(ip(one)) == network(ip(other)), same, "{one} {other}");
        }
    }

    #[test]
    fn an_attacker_with_many_addresses_takes_no_memory_and_time_gives_the_room_back() {
        let (failures, begin) = (Failures::default(), Instant::now());
        let addresses = |from: u32, count: u32| (from..from + count).map(|n| IpAddr::V4(Ipv4Addr::from_bits(n)));
        let refused = addresses(0, 100_000).filter(|address| failures.allow_at(*address, begin).is_err()).count();
        assert_eq!(refused, 100_000 - ADDRESSES - WRONG as usize);
        assert_eq!(failures.0.lock().unwrap().windows.len(), ADDRESSES);
        // Whoever is known is counted on its own.
        failures.allow_at(ip("0.0.0.1"), begin).unwrap();
        let later = begin + MINUTE;
        assert!(addresses(200_000, 4000).all(|address| failures.allow_at(address, later).is_ok()));
        assert_eq!(failures.0.lock().unwrap().windows.len(), 4000);
    }

    #[test]
    fn seconds_to_wait_are_whole_and_not_none() {
        for (wait, seconds) in [(0, 1), (1, 1), (999, 1), (1000, 1), (1001, 2), (60_000, 60)] {
            assert_eq!(retry_after(Duration::from_millis(wait)), seconds);
        }
    }
}
