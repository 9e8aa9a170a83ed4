//! The balancer before real nodes. One binary, since each would link every dependency again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod edges;
mod failover;
mod support;
