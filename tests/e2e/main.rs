//! A real Kubernetes, and what a user does there, with `kubectl` and `helm`: `tests/e2e/run`, which starts a cluster, runs
//! these and takes it down. Three parts, in this order: `install`, everything else side by side, `last`, one after the other.
//!
//! With `E2E_CLUSTER=existing` it is the cluster of the current kubeconfig, and everything may take longer.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod alert;
mod api;
mod cluster;
mod crowd;
mod disks;
mod examples;
mod install;
mod last;
mod life;
mod named;
mod nodes;
mod operations;
mod page;
mod place;
mod refused;
mod room;
mod shapes;
mod snippets;
mod stats;
