//! The miner over the real chain, pool, executor and proof of work (a 64 KiB dataset). They must not look inside
//! the miner: blocks and the handle's answers are all they see.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod blocks;
mod ommers;
mod settings;
mod support;
mod transactions;
