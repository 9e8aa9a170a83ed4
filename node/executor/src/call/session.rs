//! One request's working state and environment; a session runs as many transactions as the request needs.

use super::{CallEnv, CallError, CallLimits, CallOutcome, Deadline, overrides, request};
use crate::{ExecutionError, Overlay, block, env::evm_env, evm};
use alloy_evm::EvmEnv;
use alloy_rpc_types_eth::TransactionRequest;
use atoll_primitives::{Address, ChainSpec, U256};
use revm::{
    DatabaseRef, Inspector, context::TxEnv, context_interface::result::ResultAndState, primitives::hardfork::SpecId,
};

/// revm's context over a borrowed working state.
pub(crate) type SessionContext<'a, DB> = alloy_evm::eth::EthEvmContext<&'a mut Overlay<DB>>;

pub(crate) struct Session<DB: DatabaseRef> {
    pub(crate) state: Overlay<DB>,
    pub(crate) env: EvmEnv,
    block: u64,
    gas_cap: u64,
    pub(crate) deadline: Deadline,
    moves: Vec<overrides::PrecompileMove>,
    /// Of the request whose transaction runs.
    free_blobs: bool,
}

impl<DB: DatabaseRef + 'static> Session<DB> {
    /// Applies the overrides.
    pub(crate) fn new(spec: &ChainSpec, db: DB, env: CallEnv<'_>, limits: CallLimits) -> Result<Self, CallError> {
        let mut state = Overlay::new(db);
        let (header, late) = overrides::header(env.header, env.block_overrides)?;
        let mut evm_env = evm_env(spec, &header);
        late.apply(&mut evm_env.block_env, &mut state);
        relax(&mut evm_env);
        let precompiles = evm::precompiles(&evm_env);
        let moves = match env.state_overrides {
            Some(changes) => overrides::state(&mut state, changes, &precompiles)?,
            None => Vec::new(),
        };
        if limits.work.is_some() && (!env_knows_cold(&evm_env) || !moves.is_empty()) {
            return Err(CallError::Timeout);
        }
        let deadline = Deadline::of(&limits);
        let (block, gas_cap) = (header.number, limits.gas_cap);
        Ok(Self { state, env: evm_env, block, gas_cap, deadline, moves, free_blobs: false })
    }

    /// The transaction a request means here, to be run next.
    pub(crate) fn transaction(&mut self, request: &TransactionRequest) -> Result<TxEnv, CallError> {
        self.free_blobs = request::waives_blob_fee(request);
        request::transaction(request, &self.env, self.gas_cap)
    }

    /// The sender's next nonce.
    pub(crate) fn nonce(&mut self, address: Address) -> Result<u64, CallError> {
        Ok(self.account(address)?.map_or(0, |account| account.nonce))
    }

    pub(crate) fn account(&mut self, address: Address) -> Result<Option<atoll_primitives::Account>, CallError> {
        Ok(self.state.account(address).map_err(|error| ExecutionError::Database(Box::new(error)))?)
    }

    pub(crate) fn gas_cap(&self) -> u64 {
        self.gas_cap
    }

    /// The environment for one transaction: who offers no fee sees a base fee of zero.
    fn env_for(&self, tx: &TxEnv) -> EvmEnv {
        let mut env = self.env.clone();
        if tx.gas_price == 0 && tx.gas_priority_fee.unwrap_or_default() == 0 {
            env.block_env.basefee = 0;
        }
        if self.free_blobs
            && let Some(blob) = &mut env.block_env.blob_excess_gas_and_price
        {
            blob.blob_gasprice = 0;
        }
        env
    }

    /// Runs a transaction; nothing is kept.
    pub(crate) fn run(&mut self, tx: TxEnv) -> Result<CallOutcome, CallError> {
        // Without a deadline nobody needs to look at every instruction.
        let mut deadline = self.deadline.clone();
        let watched = deadline.is_set();
        let result = self.transact(tx, &mut deadline, watched);
        self.deadline = deadline;
        match result {
            Err(_) if self.deadline.passed() => Err(CallError::Timeout),
            result => Ok(CallOutcome::new(result?.result)),
        }
    }

    /// Runs a transaction under an inspector; nothing is kept.
    pub(crate) fn inspect<I>(&mut self, tx: TxEnv, inspector: I) -> Result<ResultAndState, CallError>
    where
        I: for<'a> Inspector<SessionContext<'a, DB>>,
    {
        self.transact(tx, inspector, true)
    }

    fn transact<I>(&mut self, tx: TxEnv, inspector: I, inspect: bool) -> Result<ResultAndState, CallError>
    where
        I: for<'a> Inspector<SessionContext<'a, DB>>,
    {
        if self.deadline.passed() {
            return Err(CallError::Timeout);
        }
        let gas = tx.gas_limit;
        let env = self.env_for(&tx);
        let precompiles = overrides::moved(evm::precompiles(&env), &self.moves)?;
        let mut evm = evm::build(&mut self.state, env, precompiles, inspector, inspect);
        if !self.moves.is_empty() {
            evm::warm_precompiles(&mut evm);
        }
        let outcome = block::transact(&mut evm, self.block, tx);
        // After the deadline any failure is the deadline's.
        outcome.map_err(
            |error| {
                if self.deadline.passed() { CallError::Timeout } else { CallError::from_build(error, gas) }
            },
        )
    }
}

/// Whether reading what was not read before costs gas for it (EIP-2929).
fn env_knows_cold(env: &EvmEnv) -> bool {
    env.cfg_env.spec.is_enabled_in(SpecId::BERLIN)
}

/// What geth's `eth_call` does not check: nonce, sender's code, the block's gas limit, EIP-7825's cap.
pub(crate) fn relax(env: &mut EvmEnv) {
    env.cfg_env.disable_nonce_check = true;
    env.cfg_env.disable_eip3607 = true;
    env.cfg_env.disable_block_gas_limit = true;
    env.cfg_env.tx_gas_limit_cap = Some(u64::MAX);
}

/// The most a sender could pay for gas with this balance after sending `value`.
pub(crate) fn affordable_gas(available: U256, price: u128) -> Option<u64> {
    if price == 0 { None } else { u64::try_from(available / U256::from(price)).ok() }
}
