//! `eth_estimateGas`: the least gas limit with which a transaction succeeds, found by bisection as geth does.

use super::{CallEnv, CallError, CallLimits, CallOutcome, CallResult, Session, session::affordable_gas};
use crate::TxError;
use alloy_rpc_types_eth::TransactionRequest;
use atoll_primitives::{ChainSpec, U256, eips::eip4844::DATA_GAS_PER_BLOB};
use revm::{
    DatabaseRef,
    context::TxEnv,
    context_interface::result::HaltReason,
    primitives::{eip7825::TX_GAS_LIMIT_CAP, hardfork::SpecId},
};

/// Gas of a plain transfer.
const TX_GAS: u64 = 21_000;
/// Gas that a call with value grants its callee for nothing.
const CALL_STIPEND: u64 = 2_300;
/// The search ends when the bounds are this close, in thousandths of the upper one (geth: 1.5 %).
const ERROR_PER_MILLE: u64 = 15;

/// The least gas limit with which the request succeeds, 1.5 % too high at most.
///
/// # Errors
/// [`CallError::Reverted`], [`CallError::Halted`] or [`CallError::GasAllowance`] when no limit makes it succeed.
pub fn estimate_gas(
    spec: &ChainSpec,
    db: impl DatabaseRef + 'static,
    env: CallEnv<'_>,
    request: &TransactionRequest,
    limits: CallLimits,
) -> Result<u64, CallError> {
    let header_gas_limit = env.header.gas_limit;
    let mut session = Session::new(spec, db, env, limits)?;
    let tx = session.transaction(request)?;
    let high = highest(&mut session, &tx, header_gas_limit)?;
    if let Some(gas) = plain_transfer(&mut session, &tx)? {
        return Ok(gas);
    }
    let Some(outcome) = run_with(&mut session, &tx, high)? else {
        return Err(CallError::GasAllowance { allowance: high });
    };
    match outcome.result {
        CallResult::Success { .. } => {}
        CallResult::Revert { output } => return Err(CallError::Reverted { output }),
        CallResult::Halt(HaltReason::OutOfGas(_)) => return Err(CallError::GasAllowance { allowance: high }),
        CallResult::Halt(reason) => return Err(CallError::Halted(reason)),
    }
    search(&mut session, &tx, &outcome, high)
}

/// The most gas the request may get: its own limit, EIP-7825's, what the sender can pay for, the node's cap.
fn highest<DB: DatabaseRef + 'static>(
    session: &mut Session<DB>,
    tx: &TxEnv,
    header_gas_limit: u64,
) -> Result<u64, CallError> {
    let mut high = if tx.gas_limit >= TX_GAS { tx.gas_limit } else { header_gas_limit };
    if session.env.cfg_env.spec.is_enabled_in(SpecId::OSAKA) {
        high = high.min(TX_GAS_LIMIT_CAP);
    }
    if tx.gas_price != 0 {
        let balance = session.account(tx.caller)?.map_or(U256::ZERO, |account| account.balance);
        let mut available = balance
            .checked_sub(tx.value)
            .filter(|left| !left.is_zero())
            .ok_or(CallError::InsufficientFundsForTransfer)?;
        if !tx.blob_hashes.is_empty() {
            let blob_gas = U256::from(tx.blob_hashes.len()) * U256::from(DATA_GAS_PER_BLOB);
            let want = blob_gas.saturating_mul(U256::from(tx.max_fee_per_blob_gas));
            let address = tx.caller;
            available = available.checked_sub(want).filter(|left| !left.is_zero()).ok_or(CallError::Transaction {
                error: TxError::InsufficientFunds { address, have: available, want },
                gas: high,
            })?;
        }
        high = high.min(affordable_gas(available, tx.gas_price).unwrap_or(u64::MAX));
    }
    let cap = session.gas_cap();
    Ok(if cap == 0 { high } else { high.min(cap) })
}

/// A transfer to an account without code needs no search.
fn plain_transfer<DB: DatabaseRef + 'static>(session: &mut Session<DB>, tx: &TxEnv) -> Result<Option<u64>, CallError> {
    let Some(to) = tx.kind.to().copied() else { return Ok(None) };
    if !tx.data.is_empty() || session.account(to)?.is_some_and(|account| account.has_code()) {
        return Ok(None);
    }
    let outcome = match run_with(session, tx, TX_GAS) {
        // Whatever is wrong shows again, better explained, with the highest limit.
        Err(CallError::Transaction { .. }) => None,
        other => other?,
    };
    Ok(outcome.filter(CallOutcome::is_success).map(|_| TX_GAS))
}

/// Runs with this limit; `None` when it does not even cover the intrinsic gas.
fn run_with<DB: DatabaseRef + 'static>(
    session: &mut Session<DB>,
    tx: &TxEnv,
    gas: u64,
) -> Result<Option<CallOutcome>, CallError> {
    let mut tx = tx.clone();
    tx.gas_limit = gas;
    match session.run(tx) {
        Ok(outcome) => Ok(Some(outcome)),
        Err(CallError::Transaction { error: TxError::IntrinsicGas { .. } | TxError::FloorDataGas { .. }, .. }) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn search<DB: DatabaseRef + 'static>(
    session: &mut Session<DB>,
    tx: &TxEnv,
    first: &CallOutcome,
    mut high: u64,
) -> Result<u64, CallError> {
    // What it used with gas to spare is, for almost any transaction, a lower bound.
    let mut low = first.gas_used.saturating_sub(1);
    let mut try_limit =
        |limit: u64| Ok::<_, CallError>(run_with(session, tx, limit)?.is_some_and(|run| run.is_success()));
    // Most succeed with what they used before refunds, plus the 64th that EIP-150 keeps back and a stipend.
    let optimistic = first.max_gas_used.saturating_add(CALL_STIPEND).saturating_mul(64) / 63;
    if optimistic < high {
        if try_limit(optimistic)? { high = optimistic } else { low = optimistic }
    }
    while low + 1 < high {
        if (high - low).saturating_mul(1000) / high < ERROR_PER_MILLE {
            break;
        }
        // Most estimates lie near the lower bound, so the first steps only double it.
        let middle = (low / 2 + high / 2 + (low & high & 1)).min(low.saturating_mul(2).max(low + 1));
        if try_limit(middle)? { high = middle } else { low = middle }
    }
    Ok(high)
}
