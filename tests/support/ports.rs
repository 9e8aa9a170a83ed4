//! Ports for servers that tests start. It must not know who listens.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicU32, Ordering},
};

/// A port nobody listens on at this moment. It is given once, and neither the system, for an outgoing connection, nor
/// `atoll up`, for a process behind the balancer, takes it before who asked for it.
pub fn free_port() -> u16 {
    const FIRST: u32 = 30_000;
    const COUNT: u32 = 2_700;
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let step = (std::process::id() % COUNT * 37 + GIVEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = (FIRST + step) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
