//! JSON-RPC from outside: a real node, a real server, HTTP and WebSocket. One binary, since each would link the whole node again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod explorer;
mod limits;
mod live;
mod logs;
mod server;
mod support;
mod trace;
mod work;
