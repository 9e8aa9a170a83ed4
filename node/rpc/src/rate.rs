//! How many requests a client may make: a bucket of tokens per address, which fills at a steady rate. It must not know
//! requests.

use crate::{RateLimit, RpcError};
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::{Duration, Instant},
};

/// Clients remembered; the ones seen least are forgotten, which gives them a full bucket.
const CLIENTS: usize = 65_536;

/// Whose requests are counted together; `None` for somebody who is not limited, such as a trusted proxy itself.
pub(crate) type Client = Option<IpAddr>;

struct Bucket {
    tokens: f64,
    filled: Instant,
}

/// Buckets of all clients.
pub(crate) struct Limiter {
    limit: Option<RateLimit>,
    buckets: Cache<IpAddr, Arc<Mutex<Bucket>>>,
}

/// An IPv6 client has a whole /64 to itself.
fn key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (!0 << 64)).into(),
        v4 => v4,
    }
}

impl Limiter {
    pub(crate) fn new(limit: Option<RateLimit>) -> Self {
        Self { limit, buckets: Cache::new(if limit.is_some() { CLIENTS } else { 1 }) }
    }

    /// Takes what `requests` cost, or says how long to wait. More than the burst costs the burst: it would never be
    /// affordable otherwise.
    pub(crate) fn take(&self, client: Client, requests: usize) -> Result<(), Duration> {
        self.take_at(client, requests, Instant::now())
    }

    fn take_at(&self, client: Client, requests: usize, now: Instant) -> Result<(), Duration> {
        let (Some(limit), Some(client)) = (self.limit, client) else { return Ok(()) };
        let full = || Ok::<_, ()>(Arc::new(Mutex::new(Bucket { tokens: limit.burst, filled: now })));
        let Ok(bucket) = self.buckets.get_or_insert_with(&key(client), full) else { return Ok(()) };
        let mut bucket = bucket.lock();
        let elapsed = now.saturating_duration_since(bucket.filled).as_secs_f64();
        bucket.tokens = (bucket.tokens + elapsed * limit.per_second).min(limit.burst);
        bucket.filled = now;
        let cost = (requests as f64).min(limit.burst);
        if bucket.tokens >= cost {
            bucket.tokens -= cost;
            return Ok(());
        }
        Err(Duration::from_secs_f64((cost - bucket.tokens) / limit.per_second))
    }

    /// What the client hears.
    pub(crate) fn refusal(&self, wait: Duration) -> RpcError {
        RpcError::TooManyRequests {
            per_second: self.limit.map_or(0.0, |limit| limit.per_second),
            // Whole seconds, rounded up, since `Retry-After` has no others.
            retry_after: wait.as_secs_f64().ceil().max(1.0) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills() {
        let limiter = Limiter::new(Some(RateLimit { per_second: 10.0, burst: 20.0 }));
        let (start, client) = (Instant::now(), Some("192.0.2.1".parse().unwrap()));
        for _ in 0..20 {
            assert_eq!(limiter.take_at(client, 1, start), Ok(()));
        }
        assert_eq!(limiter.take_at(client, 1, start), Err(Duration::from_millis(100)));
        assert_eq!(limiter.take_at(client, 5, start + Duration::from_millis(500)), Ok(()));
        assert!(limiter.take_at(client, 1, start + Duration::from_millis(500)).is_err());
        assert_eq!(limiter.take_at(Some("192.0.2.2".parse().unwrap()), 20, start), Ok(()), "another client");
        assert_eq!(limiter.take_at(None, 1000, start), Ok(()), "nobody's");
        assert_eq!(limiter.take_at(client, 1000, start + Duration::from_secs(9)), Ok(()), "at most the burst");
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let limiter = Limiter::new(Some(RateLimit { per_second: 1.0, burst: 1.0 }));
        let now = Instant::now();
        assert_eq!(limiter.take_at(Some("2001:db8::1".parse().unwrap()), 1, now), Ok(()));
        assert!(limiter.take_at(Some("2001:db8::ffff:2".parse().unwrap()), 1, now).is_err());
        assert_eq!(limiter.take_at(Some("2001:db8:0:1::1".parse().unwrap()), 1, now), Ok(()));
        assert_eq!(limiter.take_at(Some("::ffff:192.0.2.1".parse().unwrap()), 1, now), Ok(()));
        assert!(limiter.take_at(Some("192.0.2.1".parse().unwrap()), 1, now).is_err(), "the same in IPv4");
    }

    #[test]
    fn no_limit_by_default() {
        let limiter = Limiter::new(None);
        assert_eq!(limiter.take(Some("192.0.2.1".parse().unwrap()), 1_000_000), Ok(()));
    }
}
