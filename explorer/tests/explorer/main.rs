//! The explorer against nodes that speak JSON-RPC: what it indexes, and what its pages show.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bench;
mod indexing;
mod node;
mod pages;
mod running;
