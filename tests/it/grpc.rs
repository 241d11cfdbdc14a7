//! Real gRPC over a real socket, to a machine in memory.

mod admin;
mod ask;
mod capacity;
mod concurrency;
mod health;
mod life;
mod lists;
mod plugin;
mod refusals;
mod server;
