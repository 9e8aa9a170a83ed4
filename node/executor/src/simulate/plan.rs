//! The order of simulated blocks: numbers and times that were left out, blocks between, first halves of headers.

use super::{SimulateBlock, SimulateError, SimulateOverrides};
use crate::{OverrideError, call::overrides::EnvOverrides};
use alloy_rpc_types_eth::{TransactionRequest, state::StateOverride};
use atoll_primitives::{
    B256, ChainSpec, Hardfork, Header, U256,
    consensus::{constants::EMPTY_WITHDRAWALS, proofs::calculate_withdrawals_root},
    eips::eip4895::Withdrawals,
};

/// Seconds between blocks whose time is not given: geth's choice, which recorded answers show.
const TIME_STEP: u64 = 12;
/// Most withdrawals of a block (consensus specifications, MAX_WITHDRAWALS_PER_PAYLOAD).
const MAX_WITHDRAWALS: usize = 16;

/// A block before it runs.
#[derive(Debug)]
pub(super) struct Planned {
    /// Everything that does not depend on the blocks before; base fee only if it is given.
    pub(super) header: Header,
    pub(super) env: EnvOverrides,
    /// From Shanghai on.
    pub(super) withdrawals: Option<Withdrawals>,
    pub(super) state: StateOverride,
    pub(super) calls: Vec<TransactionRequest>,
}

/// Puts blocks in order and fills gaps between their numbers with empty ones.
pub(super) fn plan(
    spec: &ChainSpec,
    base: &Header,
    blocks: Vec<SimulateBlock>,
    max_blocks: u64,
) -> Result<Vec<Planned>, SimulateError> {
    if blocks.is_empty() {
        return Err(SimulateError::Empty);
    }
    check_count(blocks.len() as u64, max_blocks)?;
    let mut plan: Vec<Planned> = Vec::with_capacity(blocks.len());
    let (mut number, mut time) = (base.number, base.timestamp);
    for block in blocks {
        let overrides = block.block_overrides.unwrap_or_default();
        let wanted = match overrides.header.number {
            Some(wanted) => small("number", wanted)?,
            None => next(number)?,
        };
        if wanted <= number {
            return Err(SimulateError::NumberOrder { number: wanted, previous: number });
        }
        check_count(wanted - base.number, max_blocks)?;
        for gap in number + 1..wanted {
            time = later(time)?;
            let last = plan.last().map_or(base, |planned| &planned.header);
            plan.push(planned(spec, last, gap, time, SimulateOverrides::default())?);
        }
        let previous = time;
        time = match overrides.header.time {
            Some(time) => time,
            None => later(time)?,
        };
        if time <= previous {
            return Err(SimulateError::TimeOrder { time, previous });
        }
        number = wanted;
        let last = plan.last().map_or(base, |planned| &planned.header);
        let mut planned = planned(spec, last, number, time, overrides)?;
        planned.state = block.state_overrides.unwrap_or_default();
        planned.calls = block.calls;
        plan.push(planned);
    }
    Ok(plan)
}

fn check_count(blocks: u64, limit: u64) -> Result<(), SimulateError> {
    if blocks > limit { Err(SimulateError::TooManyBlocks { blocks, limit }) } else { Ok(()) }
}

fn small(field: &'static str, value: U256) -> Result<u64, SimulateError> {
    u64::try_from(value).map_err(|_| OverrideError::TooLarge { field, value }.into())
}

fn next(number: u64) -> Result<u64, SimulateError> {
    number.checked_add(1).ok_or(SimulateError::NumberOrder { number, previous: number })
}

fn later(time: u64) -> Result<u64, SimulateError> {
    time.checked_add(TIME_STEP).ok_or(SimulateError::TimeOrder { time, previous: time })
}

/// The header's first half. Beneficiary, gas limit and difficulty are the previous block's unless given, as in geth;
/// after the merge the difficulty is zero whatever block the simulation starts from.
fn planned(
    spec: &ChainSpec,
    previous: &Header,
    number: u64,
    timestamp: u64,
    overrides: SimulateOverrides,
) -> Result<Planned, SimulateError> {
    let SimulateOverrides { header: changes, withdrawals } = overrides;
    let active = |fork| spec.is_active(fork, number, timestamp);
    let merged = spec.terminal_total_difficulty().is_some() && active(Hardfork::Shanghai);
    let inherited = if merged { U256::ZERO } else { previous.difficulty };
    let withdrawals = active(Hardfork::Shanghai).then(|| withdrawals.unwrap_or_default());
    let count = withdrawals.as_ref().map_or(0, |list| list.len());
    if count > MAX_WITHDRAWALS {
        return Err(SimulateError::TooManyWithdrawals { count, limit: MAX_WITHDRAWALS });
    }
    let root = |list: &Withdrawals| {
        if list.is_empty() { EMPTY_WITHDRAWALS } else { calculate_withdrawals_root(list) }
    };
    let header = Header {
        number,
        timestamp,
        beneficiary: changes.coinbase.unwrap_or(previous.beneficiary),
        difficulty: changes.difficulty.unwrap_or(inherited),
        gas_limit: changes.gas_limit.unwrap_or(previous.gas_limit),
        mix_hash: changes.random.unwrap_or_default(),
        base_fee_per_gas: changes.base_fee.map(|fee| small("baseFeePerGas", fee)).transpose()?,
        withdrawals_root: withdrawals.as_ref().map(root),
        parent_beacon_block_root: active(Hardfork::Cancun).then(|| changes.beacon_root.unwrap_or(B256::ZERO)),
        ..Header::default()
    };
    Ok(Planned {
        header,
        env: EnvOverrides::of(&changes),
        withdrawals,
        state: StateOverride::default(),
        calls: Vec::new(),
    })
}
