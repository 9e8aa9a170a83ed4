//! `eth_call`, `eth_estimateGas`, `eth_createAccessList`: prepare the state, let the executor run, word the result.

use crate::{RpcError, block_id::StateAt, context::Node};
use alloy_rpc_types_eth::{
    AccessListResult, BlockId, BlockOverrides, TransactionRequest,
    state::{AccountOverride, StateOverride},
};
use atoll_executor::{CallEnv, CallError, CallLimits, CallResult, StateDb, call, create_access_list, estimate_gas};
use atoll_primitives::{Bytes, StateChanges, U256};
use atoll_storage::StateView;
use std::{fmt, sync::Arc};

impl Node {
    pub(crate) fn call_limits(&self) -> CallLimits {
        CallLimits { gas_cap: self.config.gas_cap, deadline: Some(self.deadline()), work: None }
    }

    /// The state as the executor reads it.
    pub(crate) fn state_db(&self, state: &StateAt) -> StateDb {
        self.view_db(state.view.clone())
    }

    /// A view as the executor reads it.
    pub(crate) fn view_db(&self, view: StateView) -> StateDb {
        StateDb::new(view, Arc::new(self.storage().clone()))
    }

    pub(super) fn call(
        &self,
        request: &TransactionRequest,
        block: Option<BlockId>,
        overrides: Option<StateOverride>,
        block_overrides: Option<BlockOverrides>,
        limits: CallLimits,
    ) -> Result<Bytes, RpcError> {
        let state = self.state(block)?;
        let env = call_env(&state, overrides, block_overrides)?;
        let outcome = call(&self.spec, self.state_db(&state), env, request, limits);
        match outcome.map_err(|error| self.call_error(error))?.result {
            CallResult::Success { output, .. } => Ok(output),
            CallResult::Revert { output } => Err(RpcError::Reverted { data: output }),
            CallResult::Halt(reason) => Err(RpcError::Halted(halted(&reason))),
        }
    }

    pub(crate) fn estimate(
        &self,
        request: &TransactionRequest,
        block: Option<BlockId>,
        overrides: Option<StateOverride>,
        block_overrides: Option<BlockOverrides>,
        limits: CallLimits,
    ) -> Result<u64, RpcError> {
        let state = self.state(block)?;
        let env = call_env(&state, overrides, block_overrides)?;
        estimate_gas(&self.spec, self.state_db(&state), env, request, limits).map_err(|error| self.call_error(error))
    }

    pub(super) fn access_list(
        &self,
        request: &TransactionRequest,
        block: Option<BlockId>,
        overrides: Option<StateOverride>,
    ) -> Result<AccessListResult, RpcError> {
        let state = self.state(block)?;
        let env = call_env(&state, overrides, None)?;
        let outcome = create_access_list(&self.spec, self.state_db(&state), env, request, self.call_limits())
            .map_err(|error| self.call_error(error))?;
        let error = match outcome.result {
            CallResult::Success { .. } => None,
            CallResult::Revert { .. } => Some("execution reverted".to_owned()),
            CallResult::Halt(reason) => Some(halted(&reason)),
        };
        Ok(AccessListResult { access_list: outcome.access_list, gas_used: U256::from(outcome.gas_used), error })
    }

    pub(crate) fn call_error(&self, error: CallError) -> RpcError {
        match error {
            CallError::Reverted { output } => RpcError::Reverted { data: output },
            CallError::Halted(reason) => RpcError::Halted(halted(&reason)),
            CallError::Timeout => RpcError::Timeout { after: self.config.call_timeout },
            error => RpcError::Call(Box::new(error)),
        }
    }
}

/// A failure of the EVM in geth's words; the EVM's own where geth has none.
pub(super) fn halted(reason: &(impl fmt::Debug + fmt::Display)) -> String {
    // The variants are revm's, which this room does not depend on; their names are stable.
    let name = format!("{reason:?}");
    let known = match name.split('(').next().unwrap_or_default() {
        "OutOfGas" => "out of gas",
        "OpcodeNotFound" | "NotActivated" => "invalid opcode",
        "InvalidFEOpcode" => "invalid opcode: INVALID",
        "StateChangeDuringStaticCall" | "CallNotAllowedInsideStatic" => "write protection",
        "CallTooDeep" => "max call depth exceeded",
        "CreateCollision" => "contract address collision",
        "CreateContractSizeLimit" => "max code size exceeded",
        "CreateContractStartingWithEF" => "invalid code: must not begin with 0xef",
        "OutOfOffset" => "return data out of bounds",
        _ => return reason.to_string(),
    };
    known.to_owned()
}

/// The environment of a call on this state. What the pending block changes goes in as overrides below the
/// caller's own.
pub(crate) fn call_env(
    state: &StateAt,
    overrides: Option<StateOverride>,
    block_overrides: Option<BlockOverrides>,
) -> Result<CallEnv<'_>, RpcError> {
    let state_overrides = match &state.changes {
        Some(changes) => Some(merged(pending_overrides(state, changes)?, overrides.unwrap_or_default())),
        None => overrides,
    };
    Ok(CallEnv { header: &state.header, state_overrides, block_overrides })
}

fn pending_overrides(state: &StateAt, changes: &StateChanges) -> Result<StateOverride, RpcError> {
    let mut overrides = StateOverride::default();
    for (address, account) in &changes.accounts {
        let account = account.unwrap_or_default();
        let code = if account.has_code() { state.code(&account.code_hash)? } else { Bytes::new() };
        let entry: &mut AccountOverride = overrides.entry(*address).or_default();
        entry.nonce = Some(account.nonce);
        entry.balance = Some(account.balance);
        entry.code = Some(code);
    }
    for (address, change) in &changes.storage {
        let slots = change.slots.iter().map(|(slot, value)| ((*slot).into(), (*value).into())).collect();
        let entry = overrides.entry(*address).or_default();
        if change.wiped { entry.state = Some(slots) } else { entry.state_diff = Some(slots) }
    }
    Ok(overrides)
}

fn merged(mut below: StateOverride, above: StateOverride) -> StateOverride {
    for (address, change) in above {
        let entry = below.entry(address).or_default();
        entry.nonce = change.nonce.or(entry.nonce);
        entry.balance = change.balance.or(entry.balance);
        entry.code = change.code.or(entry.code.take());
        entry.move_precompile_to = change.move_precompile_to.or(entry.move_precompile_to);
        if change.state.is_some() {
            (entry.state, entry.state_diff) = (change.state, None);
        } else if let Some(slots) = change.state_diff {
            let target = if entry.state.is_some() { &mut entry.state } else { &mut entry.state_diff };
            target.get_or_insert_default().extend(slots);
        }
    }
    below
}
