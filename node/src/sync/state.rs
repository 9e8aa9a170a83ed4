//! How far the node is behind its peers.

use super::Context;
use atoll_chain::Chain;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Without any peer by then, a node counts as its own network.
const ALONE_AFTER: Duration = Duration::from_secs(3);
/// So many blocks behind is the ordinary course of gossip.
const NEAR: u64 = 3;
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// For `eth_syncing`, `/ready` and the miner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncState {
    /// The head is as good as any peer's, give or take what is just being gossiped.
    pub synced: bool,
    /// Head when the node last began to be behind.
    pub starting: u64,
    /// Head now.
    pub current: u64,
    /// Highest head of a peer whose chain is better than ours, or our own.
    pub highest: u64,
}

impl SyncState {
    pub(super) fn starting(chain: &Chain) -> Self {
        let number = chain.head().number;
        Self { synced: false, starting: number, current: number, highest: number }
    }
}

pub(super) async fn run(context: Context, state: watch::Sender<SyncState>) {
    let started = Instant::now();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = context.stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let (current, td) = (context.chain.head().number, context.chain.head_td());
        let peers = context.network.peers();
        let better = peers.iter().filter(|peer| peer.total_difficulty > td).map(|peer| peer.head_number).max();
        let known = !peers.is_empty() || started.elapsed() >= ALONE_AFTER;
        state.send_if_modified(|state| {
            let before = *state;
            let highest = better.unwrap_or(current).max(current);
            // A shorter chain may be the better one: what counts then is that somebody has it.
            let near = highest - current <= NEAR && (better.is_none() || highest > current || before.synced);
            state.synced = known && near;
            if before.synced && !state.synced {
                state.starting = current;
            }
            (state.current, state.highest) = (current, highest);
            before != *state
        });
        metrics::gauge!("atoll_sync_blocks_behind")
            .set(f64::from(u32::try_from(better.unwrap_or(current).saturating_sub(current)).unwrap_or(u32::MAX)));
    }
}
