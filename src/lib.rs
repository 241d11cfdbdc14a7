//! Ullage gives every Kubernetes volume a fixed size on the node's own disk, holds it to that size, grows it while it
//! is used, and tells how much is left. These pages are its architecture.
//!
//! # Floors
//!
//! A module uses only what stands below it (`tests/layers.rs` checks the arrows).
//!
//! | floor | what is there |
//! |---|---|
//! | `main`, [`cli`] | words on a command line |
//! | [`commands`] | the only place that builds things and wires them: the roles, and the clients `ullage volume` and `ullage watch` |
//! | [`csi`] | identity, controller and node services, and `ullage.v1.Admin`: requests into calls, errors into codes |
//! | [`api`] | the quota API: HTTP, tokens, the alert WebSocket and the page; one router over two places, this machine ([`api::machine`]) and a pod ([`api::pod`]) |
//! | [`monitor`] | how full volumes are, again and again: usage into levels, levels into events; it knows neither volumes' makers nor clients |
//! | [`k8s`] | the only place that knows Kubernetes' own API: claims are made and grown there, events are posted, and nothing is watched or cached |
//! | [`observe`] | log, metrics, health |
//! | [`engine`] | what a volume means: create, delete, expand, shrink, publish, mount, capacity, recover, locks |
//! | [`backend`] | how a volume is made: an image file on a loop device, or a directory under a project quota |
//! | [`store`] | records on disk |
//! | [`config`] | the configuration, checked |
//! | [`projects`] | project ids: who has which on a filesystem, `/etc/projects`, and what hostlet has left |
//! | [`host`] | every effect on the machine, behind five traits; the real one, and one in memory |
//! | [`fs_tools`] | the only place that runs programs |
//! | [`rpc`] | generated stubs, unix sockets |
//! | [`inject`] | the quota API in a stream of manifests, pure: a text in, a text out |
//! | [`yaml`] | the only place that knows how YAML is read, and changed in its place |
//! | [`sys`] | the only place with `unsafe` |
//! | [`model`] | plain types, and when a volume is nearly full |
//!
//! From [`engine`] down the code is synchronous. Each RPC makes one `spawn_blocking` call that owns its lock to the
//! end: a client that hangs up cannot stop work half way, and nothing blocks the runtime.
//!
//! # The way of a request
//!
//! **CreateVolume**: socket, `csi::controller`, pure conversion (every bad parameter ends there), [`engine::Engine::create`]:
//! lock the id, read the record, decide (pure), admit under the lock of its filesystem's promises, write the record as *Creating*, provision,
//! write it as *Ready*, answer. A *Creating* record that is found means that a call did not finish: what it left is
//! thrown away and made afresh. The id is a function of the request's name, so there is no index to lose.
//!
//! **NodeStageVolume**: the image is attached, mounted nowhere (`fsmount(2)`), grown if that is pending, and moved to
//! its path in one step. Killed before that step, nothing is left: the kernel detaches by itself. It never formats.
//!
//! **Growing**: room is admitted, the image gets its blocks past its end, then its length; the record; the device; the
//! filesystem; and the record says that it is done. Killed in between, the same call goes on, or the next stage does.
//!
//! **Mounting on a machine of its own** (`ullage standalone`, [`engine::Engine::mount`]): where a volume is wanted is written
//! into its record, then it is mounted there, without a staging path. Every start mounts it again; unmounting forgets it,
//! last. What a kubelet has mounted is in no record.
//!
//! **Shrinking** an image ([`engine::Engine::shrink`], there and of ext4 only): unmounted; the record says that the
//! filesystem may be smaller than the volume; the filesystem, what is overwritten kept beside the image; the record; the
//! image is cut last; mounted again. Killed in between, the next start takes it back, or finishes it.
//!
//! **Taking over** ([`engine::Engine::import`]) what hostlet has left: the record first, which says from where the directory
//! comes; one rename; its limit. Killed before the rename, the next start takes the record away; after it, it does the rest.
//!
//! **A look** ([`engine::View`]: health, lists) takes no lock, and so writes nothing: it may have a record that a call is just
//! replacing. What seems not to be as the record says is looked at again with the volume's lock, by the record of then, and
//! mended there; while a call has the lock, nothing is said of it.
//!
//! **An audit** ([`engine::Engine::audit`], every hour) looks at each file under a project quota, without the volume's lock, and
//! counts those that are not in its project: a file's owner may take it out.
//!
//! **Deleting** is one rename into the pool's trash, which is emptied behind. What lies there is being deleted,
//! whatever its record says.
//!
//! **A volume under a project quota** is a directory that is bound where it is wanted: no image, no device, nothing to format.
//! Creating: a free id ([`projects`]); the record, with that id; the directory; its tag; the kernel has to count one inode of the
//! project, else somebody else has taken it at the same time, and another is tried; the limit, read back. Growing and shrinking
//! set a limit. Deleting, behind the answer: the data, then the limit, then the record, and only then is the id free.
//!
//! **A pool without a disk** ([`backend::PoolDisk`]): before the pool is opened, its image is made under another name
//! (space, XFS, a mount with project quotas on trial, its own name last), attached, and mounted in one step at the pool's
//! path; found again where it is mounted already; grown to its configured size once its marker says that it is the pool.
//! Nothing is mounted over a directory that holds anything.
//!
//! **A request over HTTP**: a listener of [`api::serve`], which bounds connections and headers; preflight, origin, vendor,
//! bearer, rate and size, in this order, in one place (`api::guard`); the route; the volume, looked up by whatever it is
//! called and never joined to a path (`api::catalog`); the trait [`api::volumes::Volumes`]: the engine of this machine, where
//! an RPC goes too, or the claim of a pod. Refusals become statuses and texts in one place (`api::answer`). A resize is measured
//! before it is answered, so that whoever listens hears of it first.
//!
//! **An alert**: one task for each volume waits no longer than the room to the next level lasts at the highest rate of
//! filling seen, 50 ms to 5 s, then looks, with one `statvfs` on a thread of its own and with a time limit
//! ([`monitor::Monitor`]). The numbers become a level, by thresholds that are left lower than they are entered. A level that
//! changes is an event; it is printed once for all sockets ([`api::alerts::Press`]), numbered, and put into the bounded queue
//! of each. A socket that joins is shown how things stand and hears everything from then on, decided under one lock, so that
//! it misses nothing and hears nothing twice. A queue keeps the newest numbers only, and alerts always; a socket that does not
//! read gets its alert and is closed. Kubernetes hears of it as an event, behind a queue that nobody waits for: from a driver
//! on the claim and the pods that use it, from the quota API on its own.
//!
//! **Starting after a crash**: [`engine::Engine::recover`] undoes *Creating*, checks *Ready* and mounts what is wanted, sets a record that it
//! cannot read aside; only then does Probe say ready.
//!
//! # Promises
//!
//! 1. A volume never holds more than its size, and a reserved volume can always be filled to it.
//! 2. No step formats, truncates or deletes what it did not make itself, whatever a probe says.
//! 3. Killed at any instruction, rebooted, or cut from power: the same call repeated gives the answer it would have
//!    given, nothing is leaked, no other volume is touched (`tests/it/crash.rs` and `tests/it/wanted/crash.rs` try every step).
//! 4. Records are written whole: a temporary file, fsync, rename, fsync of the directory.
//! 5. The kernel is the truth: mounts, loop devices and limits are read from it, never remembered.
//! 6. Full on create is `RESOURCE_EXHAUSTED`, full on expand is `OUT_OF_RANGE`; never the other way round. (The same size again,
//!    after the volume was published again, is `FAILED_PRECONDITION`: with it a pod starts.)
//! 7. A pod sees its own volumes, and no others.
//! 8. An alert that is due is sent: once on entering, at once to whoever connects later, never lost to a slow reader.

pub mod api;
pub mod backend;
pub mod cli;
pub mod commands;
pub mod config;
pub mod csi;
pub mod engine;
pub mod fs_tools;
pub mod host;
pub mod inject;
pub mod k8s;
pub mod model;
pub mod monitor;
pub mod observe;
pub mod projects;
pub mod rpc;
pub mod store;
pub mod sys;
pub mod yaml;
