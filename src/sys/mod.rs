//! Small safe doors to the kernel, where neither `std` nor `nix` has the call. The only place with `unsafe`.
//!
//! Each door takes borrowed descriptors and answers with the kernel's number; what it means is for the caller to say.

#![allow(unsafe_code)]

pub mod capability;
pub mod flags;
pub mod fsxattr;
pub mod grow;
pub mod lease;
pub mod loop_device;
pub mod mount;
pub mod quotactl;
pub mod statx;
pub mod xattr;
