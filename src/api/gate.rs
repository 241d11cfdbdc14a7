//! Who may ask, and how often: one rule for requests and for sockets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use axum::http::header::AUTHORIZATION;
use axum::http::{Extensions, HeaderMap};

use super::answer::Problem;
use super::limits::{Failures, Limits};
use super::tokens::{Keeper, Verdict};

/// Lets nobody through without a good token, nor too often.
pub struct Gate {
    keeper: Arc<Keeper>,
    limits: Limits,
    failures: Failures,
}

impl Gate {
    /// With these tokens, each of which may ask so often.
    pub fn new(keeper: Arc<Keeper>, limits: Limits) -> Self {
        Self { keeper, limits, failures: Failures::default() }
    }

    /// Who knows the tokens.
    pub fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// What a token is worth that is good; one for a single use is taken. Only a wrong one counts as wrong: who shows none
    /// guesses none, and one that has expired was no guess.
    pub(super) async fn admit(&self, token: Option<&str>, from: IpAddr) -> Result<Verdict, Problem> {
        let token = token.ok_or(Problem::Bearer)?;
        // Who guesses costs no look at a file any more: nobody waits behind that.
        let verdict = self.keeper.verdict(token, || self.failures.may_guess(from)).await;
        let Some(key) = verdict.key() else {
            if verdict == Verdict::Expired {
                return Err(Problem::Expired);
            }
            return Err(self.failures.allow(from).map_or_else(Problem::TooMany, |()| Problem::Bearer));
        };
        if let Err(wait) = self.limits.allow(key) {
            self.give_back(&verdict).await;
            return Err(Problem::TooMany(wait));
        }
        Ok(verdict)
    }

    /// What came with a token for a single use has come to nothing.
    pub(super) async fn give_back(&self, verdict: &Verdict) {
        if let Verdict::Issued(grant) = verdict
            && let Some(taken) = grant.taken
        {
            self.keeper.give_back(taken).await;
        }
    }
}

/// The token in `Authorization: Bearer`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Where a request comes from.
pub(super) fn address(extensions: &Extensions) -> IpAddr {
    let info = extensions.get::<ConnectInfo<SocketAddr>>();
    info.map_or(Ipv4Addr::UNSPECIFIED.into(), |info| info.0.ip())
}
