//! The router as it is served, over volumes in memory.

mod document;
mod door;
mod routes;
mod world;
