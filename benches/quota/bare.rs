//! The floor: one handler of the same framework that answers as much, and nothing else: no token, no volume, no table.

use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use ullage::api::serve;

use crate::Result;

/// Set for the process that is the bare server: with how many workers.
pub(crate) const THREADS: &str = "ULLAGE_BENCH_BARE";

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

/// The number of workers, in the process that shall be it.
pub(crate) fn asked() -> Option<usize> {
    std::env::var(THREADS).ok()?.parse().ok()
}

pub(crate) fn serve(threads: usize) -> Result<()> {
    let mut builder = if threads == 0 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    if threads > 0 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listen={}", listener.local_addr()?);
        let router = Router::new().route("/volumes/{id}/quota", get(quota));
        // Connections are looked after as those of the program: what is compared is what it does with a request.
        serve::serve(vec![listener], router, std::future::pending()).await;
        Ok(())
    })
}

async fn quota() -> Json<Answer> {
    Json(Answer { success: true, data: QUOTA, flat: QUOTA })
}
