//! Tests of the chain with the real storage, executor and proof of work (a 64 KiB dataset, difficulty 16). They
//! must not skip a seal.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod addresses;
mod concurrent;
mod deep;
mod era1;
mod file;
mod import;
mod invalid;
mod reorg;
mod restart;
mod rewind;
mod support;
