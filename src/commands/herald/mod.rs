//! What is told to Kubernetes as events: by a driver of every volume on its node ([`Watchman`]), by the quota API of the
//! volumes of its pod ([`PodHerald`]). Which events there are, and what they say, is in `news`: pure.

mod errands;
mod news;
mod node;
mod pod;

pub(super) use node::Watchman;
pub(super) use pod::PodHerald;
