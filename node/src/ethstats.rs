//! Reports this node to an ethstats server: ours, or anybody's that speaks the protocol of geth and Besu.
//!
//! Knows the node only through [`NodeSource`]; must not know the chain's rules, storage or the network's protocol.
//! Losing the server never disturbs the node: everything here waits, drops or starts again.

mod connection;
mod message;
mod target;
#[cfg(test)]
mod tests;

pub use message::{NodeIdentity, NodeStatus, block_report};
pub use target::{EthstatsTarget, TargetError};

use connection::{Session, SessionError};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MOST: Duration = Duration::from_secs(30);

/// What the reporter may ask of the node. The functions may read the disk: they run on blocking threads.
#[derive(Clone)]
pub struct NodeSource {
    /// What to say in the hello.
    pub identity: NodeIdentity,
    /// Number of the newest canonical block; every change is reported. Blocks in quick succession come as one report.
    pub head: watch::Receiver<u64>,
    /// A canonical block by number, made with [`block_report`]; `None` when there is none.
    pub block: Arc<dyn Fn(u64) -> Option<Value> + Send + Sync>,
    /// Peers, pool and mining at this moment.
    pub status: Arc<dyn Fn() -> NodeStatus + Send + Sync>,
}

/// How often the reporter speaks. [`Pace::default`] is geth's.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between full reports: latency, block, pending, stats.
    pub full: Duration,
    /// Least time between two pending reports.
    pub pending: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { full: Duration::from_secs(15), pending: Duration::from_secs(1) }
    }
}

/// Reports until `shutdown`; connects again, ever more slowly up to half a minute, whenever the link breaks.
pub async fn run(target: EthstatsTarget, source: NodeSource, pace: Pace, shutdown: CancellationToken) {
    let mut wait = RETRY_FIRST;
    let mut told = false;
    while !shutdown.is_cancelled() {
        let ended = tokio::select! {
            () = shutdown.cancelled() => return,
            ended = attempt(&target, &source, pace, &mut wait) => ended,
        };
        // Once at warn level, then quietly: a stats page that is down all night fills no log.
        let cause = std::error::Error::source(&ended).map(ToString::to_string);
        if told {
            tracing::debug!(server = %target.host(), error = %ended, cause, "ethstats: trying again in {wait:?}");
        } else {
            tracing::warn!(server = %target.host(), error = %ended, cause, "ethstats: trying again in {wait:?}");
        }
        told = wait > RETRY_FIRST;
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = (wait * 2).min(RETRY_MOST);
    }
}

async fn attempt(target: &EthstatsTarget, source: &NodeSource, pace: Pace, wait: &mut Duration) -> SessionError {
    let mut failed = None;
    for url in target.urls() {
        match Session::open(url, target, &source.identity).await {
            Ok(session) => {
                tracing::info!(server = %target.host(), "ethstats: reporting");
                *wait = RETRY_FIRST;
                return session.report(target.name(), source.clone(), pace).await;
            }
            Err(error @ SessionError::Refused) => return error,
            // The last is the plain connection: its reason is the one an operator can act on.
            Err(error) => failed = Some(error),
        }
    }
    failed.unwrap_or(SessionError::Closed)
}
