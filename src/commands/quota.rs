use std::io::{self, ErrorKind};
use std::sync::Arc;

use tokio::net::TcpListener;

use super::samples;
use super::signals::{Stopped, until};
use super::{Error, Result};
use crate::api::alerts::Press;
use crate::api::limits::Limits;
use crate::api::tally::Tally;
use crate::api::tokens::{self, Keeper};
use crate::api::volumes::Volumes;
use crate::api::{self, Api, Origins};
use crate::model::Thresholds;
use crate::monitor::Monitor;
use crate::observe::metrics::QuotaSource;

/// What the quota API is told.
#[derive(Clone, PartialEq, Debug)]
pub struct Quota {
    /// Where it listens, `host:port` each; empty: nowhere.
    pub listen: Vec<String>,
    /// Who may ask from a browser.
    pub origins: Origins,
    /// How many requests a second each token may make; 0: any number.
    pub rate: u32,
    /// Where the tokens are.
    pub tokens: tokens::Settings,
    /// When a volume is nearly full, and full.
    pub thresholds: Thresholds,
}

/// The doors of the quota API, open; nobody answers yet.
pub(super) struct QuotaDoor {
    listeners: Vec<TcpListener>,
    keeper: Arc<Keeper>,
    limits: Limits,
    settings: api::Settings,
    watch: Watch,
}

/// What the quota API watches and counts, for metrics and readiness. Cheap to clone.
#[derive(Clone)]
pub(super) struct Watch {
    pub(super) monitor: Monitor,
    press: Press,
    tally: Arc<Tally>,
}

/// Both, as programs differ in which of them `localhost` is.
pub const LOOPBACK: [&str; 2] = ["127.0.0.1:8070", "[::1]:8070"];

impl Quota {
    /// A burst of two seconds.
    fn limits(&self) -> Limits {
        Limits::new(self.rate, self.rate.saturating_mul(2))
    }

    /// Opens its doors and its tokens; `page`: with a page for people. `own_names` are those of the place itself.
    pub(super) async fn open(&self, page: bool, own_names: Vec<String>) -> Result<QuotaDoor> {
        Ok(QuotaDoor {
            listeners: listen(&self.listen, self.listen == LOOPBACK).await?,
            keeper: Arc::new(Keeper::open(self.tokens.clone())?),
            limits: self.limits(),
            settings: api::Settings { origins: self.origins.clone(), page, own_names },
            watch: Watch::new(self.thresholds),
        })
    }
}

impl Watch {
    fn new(thresholds: Thresholds) -> Self {
        let monitor = Monitor::new(thresholds);
        Self { press: Press::start(monitor.clone()), monitor, tally: Arc::default() }
    }

    /// The numbers, as they are when somebody asks.
    pub(super) fn source(&self) -> QuotaSource {
        let watch = self.clone();
        Arc::new(move || samples::quota(&watch.monitor, &watch.press, &watch.tally))
    }

    /// Whether every volume is there as it should be, and whoever listens hears of it: else why not.
    pub(super) fn ready(&self) -> std::result::Result<(), String> {
        if !self.press.is_alive() {
            return Err("the alerts are sent no more".to_owned());
        }
        self.monitor.ready()
    }
}

impl QuotaDoor {
    /// What it watches.
    pub(super) fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// Answers until it is time to stop; earlier only where something ends that must not.
    pub(super) async fn serve(self, volumes: Arc<dyn Volumes>, stopped: Stopped) {
        let Watch { monitor, press, tally } = self.watch;
        let mut tokens = tokio::spawn(self.keeper.clone().follow());
        let api = Api::new(volumes, monitor, self.keeper, self.limits, self.settings).counted(tally);
        let api = Arc::new(api);
        let mut mounts = tokio::spawn(api.clone().follow());
        let places: Vec<_> = self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        tracing::info!(listen = ?places, "the quota API answers");
        tokio::select! {
            () = api::serve::serve(self.listeners, api::router(api, press, stopped.clone()), until(stopped)) => {}
            _ = &mut tokens => tracing::error!("nobody follows the tokens any more"),
            _ = &mut mounts => tracing::error!("nobody follows the mounts any more"),
        }
        tokens.abort();
        mounts.abort();
    }
}

/// Where `some` suffice, an address that this host does not have is a warning: without IPv6 it has half of `localhost`. What
/// somebody has named is meant, and that there is no door at all is an error everywhere.
async fn listen(addresses: &[String], some: bool) -> Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    let mut missing = None;
    for address in addresses {
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            Err(error) if some && is_missing(&error) => {
                tracing::warn!(%address, %error, "this host has no such address: not listening there");
                missing = Some((address, error));
            }
            Err(error) => return Err(Error::step(format!("listen at {address}"))(error)),
        }
    }
    match missing {
        Some((address, error)) if listeners.is_empty() => Err(Error::step(format!("listen at {address}"))(error)),
        _ => Ok(listeners),
    }
}

/// Whether this host has no such address.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(NO_FAMILY)
}

/// `EAFNOSUPPORT`: the kernel knows no such addresses.
const NO_FAMILY: i32 = nix::errno::Errno::EAFNOSUPPORT as i32;

#[cfg(test)]
mod tests {
    use super::*;

    /// What is served where nobody says otherwise.
    fn quota(listen: &[&str], rate: u32) -> Quota {
        let state_dir = std::path::PathBuf::from("/nowhere");
        Quota {
            listen: listen.iter().map(|address| (*address).to_owned()).collect(),
            origins: Origins::Any,
            rate,
            tokens: tokens::Settings { token_file: None, state_dir, mode: tokens::Settings::PRIVATE },
            thresholds: Thresholds::default(),
        }
    }

    #[test]
    fn a_token_has_a_burst_of_two_seconds() {
        let limits = quota(&[], 200).limits();
        let begin = std::time::Instant::now();
        let allowed = (0..2000).filter(|_| limits.allow(tokens::Key::MASTER).is_ok()).count();
        let regained = usize::try_from(begin.elapsed().as_millis() / 5).unwrap() + 1;
        assert!((400..=400 + regained).contains(&allowed), "{allowed}");
        let off = quota(&[], 0).limits();
        assert!((0..10_000).all(|_| off.allow(tokens::Key::MASTER).is_ok()));
    }

    #[tokio::test]
    async fn an_address_that_is_not_there_is_a_warning_only_where_nobody_has_named_it() {
        // One of the addresses for examples, which no host has.
        let (here, missing) = ("127.0.0.1:0".to_owned(), "192.0.2.1:0".to_owned());
        let both = [here.clone(), missing.clone()];
        assert_eq!(listen(&both, true).await.unwrap().len(), 1);
        for (addresses, some) in [(&both[..], false), (&[missing], true)] {
            let said = listen(addresses, some).await.unwrap_err().to_string();
            assert!(said.starts_with("cannot listen at 192.0.2.1:0: "), "{said}");
        }
        for typo in ["127.0.0.1", "127.0.0.1:80700", ":8070:", "localhost:http", "[::1:0", ""] {
            let named = quota(&["127.0.0.1:0", typo], 0).open(false, Vec::new()).await.err().unwrap().to_string();
            assert!(named.starts_with(&format!("cannot listen at {typo}: ")), "{named}");
        }
    }

    #[tokio::test]
    async fn it_is_ready_when_the_volumes_are_known_and_somebody_sends_alerts() {
        let watch = Watch::new(Thresholds::default());
        assert!(watch.ready().unwrap_err().contains("not known yet"));
        watch.monitor.set_targets(Vec::new());
        assert_eq!(watch.ready(), Ok(()));
        let numbers = (watch.source())();
        assert_eq!((numbers.clients, numbers.watch.volumes.len(), numbers.requests.len()), (0, 0, 0));
        assert_eq!(numbers.delays.counts.len(), numbers.delays.bounds.len() + 1);
    }
}
