//! Whole-network tests: the real program, started as users start it, driven by real clients.
//!
//! One test binary. Each test starts what it needs in a directory of its own on free ports; nothing here reaches
//! into the rooms.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod chain_files;
mod clients;
mod containers;
mod crash;
mod fuzz;
mod joining;
mod mistakes;
mod pages;
mod program;
mod support;
