//! Real gRPC over a real socket, to a machine in memory.

mod absent;
mod admin;
mod ask;
mod capacity;
mod concurrency;
mod growth;
mod health;
mod life;
mod lists;
mod plugin;
mod refusals;
mod server;
