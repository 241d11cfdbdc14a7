//! The real machine: needs root, and leaves nothing behind. `cargo test --test privileged`, which `cargo test` leaves out.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod crowd;
mod gauge;
mod growth;
mod health;
mod host;
mod kernel;
mod kills;
mod limits;
mod pool_image;
mod quotas;
mod scratch;
mod shrink;
mod volumes;
mod world;
