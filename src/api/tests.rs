//! The router as it is served, over volumes in memory.

mod document;
mod door;
mod pod;
mod routes;
mod stuck;
mod world;
