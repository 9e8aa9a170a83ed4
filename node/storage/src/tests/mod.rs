//! Tests of the whole room, over both engines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod crash;
mod directory;
pub(crate) mod harness;
mod logs;
mod memory;
mod past;
mod random;
mod views;

pub(crate) use harness::Rng;
