//! Ports: the three that users see must be free; those behind the balancer are found.

use super::UpError;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// Below the range from which systems take ports for outgoing connections, so that a restarted process finds its
/// port free again.
const FIRST: u16 = 20_500;
const LAST: u16 = 29_999;

/// Checks that nobody listens on an address.
///
/// # Errors
/// [`UpError::PortInUse`] names the flag to change.
pub fn require(host: IpAddr, port: u16, flag: &'static str) -> Result<SocketAddr, UpError> {
    let address = SocketAddr::new(host, port);
    match TcpListener::bind(address) {
        Ok(_) => Ok(address),
        Err(source) => Err(UpError::PortInUse { address, flag, source }),
    }
}

/// Finds free loopback ports, one after another.
#[derive(Debug)]
pub struct FreePorts {
    next: u16,
}

impl FreePorts {
    /// Starts at a place that differs between processes, so that two networks starting at once rarely meet.
    pub fn new() -> Self {
        let spread = (std::process::id() * 37 % 8_000) as u16;
        Self { next: FIRST + spread }
    }

    /// The next free port on the loopback address.
    ///
    /// # Errors
    /// [`UpError::NoFreePort`] once all have been tried.
    pub fn take(&mut self) -> Result<SocketAddr, UpError> {
        for _ in FIRST..=LAST {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.next));
            self.next = if self.next >= LAST { FIRST } else { self.next + 1 };
            if TcpListener::bind(address).is_ok() {
                return Ok(address);
            }
        }
        Err(UpError::NoFreePort { first: FIRST, last: LAST })
    }
}
