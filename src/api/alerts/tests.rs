//! Real sockets, over a real server on this machine; only the volumes are not real.

mod asking;
mod closing;
mod hearing;
mod slow;
mod upgrading;
mod world;
