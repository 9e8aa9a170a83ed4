//! Blocks that nobody mined, for `eth_simulateV1`: each with overrides and unsigned transactions, one on the other.
//!
//! It must not know JSON-RPC codes, and nothing of what it does is kept.

mod block;
mod call;
mod error;
mod plan;
#[cfg(test)]
mod tests;
mod transfers;

pub use error::SimulateError;

use crate::{CallLimits, CallOutcome, Overlay, RootFn, call::Deadline};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use atoll_primitives::{
    Address, B256, ChainSpec, Header, Log, RecoveredBlock, StateChanges, U256, eips::eip4895::Withdrawals,
};
use revm::DatabaseRef;
use serde::{Deserialize, Deserializer};

/// One block to simulate, as `eth_simulateV1` takes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SimulateBlock {
    /// Changes to its header.
    pub block_overrides: Option<SimulateOverrides>,
    /// Changes to the state before its first transaction; they stay.
    pub state_overrides: Option<StateOverride>,
    /// Its transactions.
    #[serde(deserialize_with = "null_is_empty")]
    pub calls: Vec<TransactionRequest>,
}

fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TransactionRequest>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Header fields, and the withdrawals that only a simulation can set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SimulateOverrides {
    /// Header fields.
    #[serde(flatten)]
    pub header: BlockOverrides,
    /// Withdrawals, from Shanghai on.
    pub withdrawals: Option<Withdrawals>,
}

/// Where and how blocks are simulated.
#[derive(Clone, Copy)]
pub struct SimulateEnv<'a> {
    /// The block the first simulated one stands on.
    pub base: &'a Header,
    /// That block's hash.
    pub base_hash: B256,
    /// State root after changes to the state that the simulation starts from.
    pub root: RootFn<'a>,
    /// The engine's rewards in wei for a block with this header.
    pub rewards: &'a dyn Fn(&Header) -> Vec<(Address, U256)>,
    /// Whether transactions must keep the rules of nonces and fees that blocks demand. Signatures and the sender's
    /// code are never looked at.
    pub validation: bool,
    /// Whether transfers of ether are shown as logs (ERC-7528).
    pub trace_transfers: bool,
    /// Most blocks, with those that fill gaps between numbers.
    pub max_blocks: u64,
    /// Gas of all calls together, and the time for everything.
    pub limits: CallLimits,
}

/// A simulated block.
#[derive(Debug, Clone)]
pub struct SimulatedBlock {
    /// The block; its transactions carry signatures of zeroes.
    pub block: RecoveredBlock,
    /// One per transaction.
    pub calls: Vec<SimulatedCall>,
}

/// What a simulated transaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedCall {
    /// How it ended and what it used.
    pub outcome: CallOutcome,
    /// Its logs, with the transfers if they were asked for, in order.
    pub logs: Vec<Log>,
    /// How many logs stand before them in the block.
    pub first_log: u64,
}

/// Simulates blocks on top of `env.base`, whose state is `db`; `pending` are changes on top of it (the pending
/// block's).
///
/// # Errors
/// See [`SimulateError`]: blocks out of order, a transaction that may not stand where it does, a limit. A transaction
/// that reverts or halts is an outcome, not an error.
pub fn simulate(
    spec: &ChainSpec,
    db: impl DatabaseRef + 'static,
    pending: Option<&StateChanges>,
    env: SimulateEnv<'_>,
    blocks: Vec<SimulateBlock>,
) -> Result<Vec<SimulatedBlock>, SimulateError> {
    let planned = plan::plan(spec, env.base, blocks, env.max_blocks)?;
    let mut state = match pending {
        Some(changes) => Overlay::with_changes(db, changes),
        None => Overlay::new(db),
    };
    let deadline = Deadline::new(env.limits.deadline);
    let mut gas_left = if env.limits.gas_cap == 0 { u64::MAX } else { env.limits.gas_cap };
    let mut parent = (env.base.clone(), env.base_hash);
    let mut simulated = Vec::with_capacity(planned.len());
    for planned in planned {
        if deadline.passed() {
            return Err(SimulateError::Timeout);
        }
        state.set_block_hashes([(parent.0.number, parent.1)]);
        let run = block::Run { spec, env: &env, deadline: &deadline, parent: (&parent.0, parent.1) };
        let block;
        (block, state) = run.block(state, planned, &mut gas_left)?;
        parent = (block.block.header().clone(), block.block.hash);
        simulated.push(block);
    }
    Ok(simulated)
}
