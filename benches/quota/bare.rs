//! The floors: one handler of the same framework that answers as much, and nothing else: no token, no volume, no table. Once
//! with connections as those of the program, and once as the framework serves by itself.

use axum::routing::get;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use ullage::api::serve;

use crate::Result;

/// Set for the process that is a bare server: with how many workers, and which floor.
pub(crate) const BARE: &str = "ULLAGE_BENCH_BARE";

/// Who looks after connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Floor {
    /// `ullage::api::serve`: what is compared is what the program does with a request.
    Ours,
    /// `axum::serve`: what anybody else would begin with.
    Axum,
}

impl Floor {
    const ALL: [(Self, &'static str); 2] = [(Self::Ours, "ours"), (Self::Axum, "axum")];

    /// What [`BARE`] is set to.
    pub(crate) fn with(self, threads: usize) -> String {
        let name = Self::ALL.iter().find(|(floor, _)| *floor == self).map_or("", |(_, name)| name);
        format!("{name} {threads}")
    }
}

/// As much as the answer to `GET /volumes/{id}/quota`.
#[derive(Serialize)]
struct Answer {
    success: bool,
    data: Quota,
    #[serde(flatten)]
    flat: Quota,
}

#[derive(Clone, Serialize)]
struct Quota {
    size_mb: u64,
    used_mb: u64,
    available_mb: u64,
    percentage_used: f64,
    size_bytes: u64,
    used_bytes: u64,
    available_bytes: u64,
    inodes_total: u64,
    inodes_used: u64,
    inodes_free: u64,
    state: &'static str,
    out_of_space: bool,
    resize_pending: bool,
    timestamp: &'static str,
}

const QUOTA: Quota = Quota {
    size_mb: 512,
    used_mb: 45,
    available_mb: 467,
    percentage_used: 8.77,
    size_bytes: 536_870_912,
    used_bytes: 47_104_000,
    available_bytes: 489_766_912,
    inodes_total: 32_768,
    inodes_used: 11,
    inodes_free: 32_757,
    state: "ok",
    out_of_space: false,
    resize_pending: false,
    timestamp: "2026-01-28T15:30:00.123456789Z",
};

/// Which it is and the number of its workers, in the process that shall be one.
pub(crate) fn asked() -> Option<(Floor, usize)> {
    let set = std::env::var(BARE).ok()?;
    let (name, threads) = set.split_once(' ')?;
    let floor = Floor::ALL.into_iter().find(|(_, known)| *known == name)?.0;
    Some((floor, threads.parse().ok()?))
}

pub(crate) fn serve((floor, threads): (Floor, usize)) -> Result<()> {
    let mut builder = if threads == 0 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    if threads > 0 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listen={}", listener.local_addr()?);
        let router = Router::new().route("/volumes/{id}/quota", get(quota));
        match floor {
            Floor::Ours => serve::serve(vec![listener], router, std::future::pending()).await,
            // Its default is to let small answers wait for more.
            Floor::Axum => axum::serve(listener.tap_io(|stream| drop(stream.set_nodelay(true))), router).await?,
        }
        Ok(())
    })
}

async fn quota() -> Json<Answer> {
    Json(Answer { success: true, data: QUOTA, flat: QUOTA })
}
