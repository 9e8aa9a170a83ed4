//! Tests of the pool over a real storage. They must not need the EVM: blocks are built from the state changes
//! they are meant to make.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod admission;
mod blobs;
mod delegation;
mod heads;
mod journal;
mod limits;
mod load;
mod order;
mod replacement;
mod support;
