//! The engine and its doors over a machine in memory.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a test may panic")]

mod cli;
#[path = "../common/mod.rs"]
mod common;
mod crash;
mod engine;
mod grpc;
mod host;
mod inject;
mod machine;
mod node;
mod quiet;
mod tokens;
mod wanted;
mod world;
mod writers;
