//! One simulated block.

use super::{
    SimulateEnv, SimulateError, SimulatedBlock, SimulatedCall,
    call::{Defaults, Unsigned, prepare, sender},
    plan::Planned,
    transfers::Transfers,
};
use crate::{
    CallOutcome, ExecutionError, Overlay, TxError,
    block::{self, BlockEvm},
    call::{Deadline, overrides, overrides::EnvOverrides, relax, request},
    collision::Collisions,
    env::evm_env,
    evm,
    receipts::receipt,
    system,
};
use alloy_evm::{Evm, EvmEnv};
use alloy_rpc_types_eth::TransactionRequest;
use atoll_primitives::{
    Address, B256, Block, BlockBody, Bloom, Bytes, ChainSpec, Hardfork, Header, Receipt, RecoveredBlock, Transaction,
    TransactionExt as _,
    consensus::{Eip658Value, TxReceipt as _, constants::EMPTY_OMMER_ROOT_HASH},
    ordered_root, receipts_root,
    rlp::BufMut as _,
};
use revm::{DatabaseCommit, DatabaseRef, context_interface::result::ResultAndState};
use std::cmp::Ordering;

/// What looks on: transfers, the rule of EIP-7610, the clock.
type Watch = (Transfers, (Collisions, Deadline));

/// What every block of a simulation needs.
pub(super) struct Run<'a> {
    pub(super) spec: &'a ChainSpec,
    pub(super) env: &'a SimulateEnv<'a>,
    pub(super) deadline: &'a Deadline,
    pub(super) parent: (&'a Header, B256),
}

/// A block while it runs.
struct Open<DB: DatabaseRef> {
    evm: BlockEvm<DB, Watch>,
    fork: Hardfork,
    header: Header,
    gas_used: u64,
    blob_gas_used: u64,
    logs: u64,
    transactions: Vec<Transaction>,
    encoded: Vec<Bytes>,
    senders: Vec<Address>,
    receipts: Vec<Receipt>,
    calls: Vec<SimulatedCall>,
}

impl Run<'_> {
    /// Runs a block over `state`, which comes back as the block leaves it.
    pub(super) fn block<DB: DatabaseRef + 'static>(
        &self,
        state: Overlay<DB>,
        planned: Planned,
        gas_left: &mut u64,
    ) -> Result<(SimulatedBlock, Overlay<DB>), SimulateError> {
        let Planned { header, env, withdrawals, state: overrides, calls } = planned;
        let mut open = self.open(state, header, env, overrides)?;
        for request in calls {
            self.call(&mut open, request, gas_left)?;
        }
        let mut header = std::mem::take(&mut open.header);
        if open.fork >= Hardfork::Prague {
            let requests = system::requests(&mut open.evm, self.spec, &header, &open.receipts)?;
            header.requests_hash = Some(requests.requests_hash());
        }
        let rewards = (self.env.rewards)(&header);
        system::credit_balances(&mut open.evm, open.fork, withdrawals.as_ref(), &rewards)?;
        let state = open.evm.into_db();
        header.state_root = self.root(&state)?;
        header.ommers_hash = EMPTY_OMMER_ROOT_HASH;
        header.gas_used = open.gas_used;
        header.blob_gas_used = header.excess_blob_gas.map(|_| open.blob_gas_used);
        header.transactions_root = ordered_root(&open.encoded, |tx, out| out.put_slice(tx));
        header.receipts_root = receipts_root(&open.receipts);
        header.logs_bloom = open.receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom());
        let hash = header.hash_slow();
        let body = BlockBody { transactions: open.transactions, ommers: Vec::new(), withdrawals };
        let block = RecoveredBlock { hash, block: Block { header, body }, senders: open.senders };
        Ok((SimulatedBlock { block, calls: open.calls }, state))
    }

    /// Completes the header's first half, applies overrides, makes the calls that come before transactions.
    fn open<DB: DatabaseRef>(
        &self,
        mut state: Overlay<DB>,
        mut header: Header,
        env_overrides: EnvOverrides,
        overrides: alloy_rpc_types_eth::state::StateOverride,
    ) -> Result<Open<DB>, SimulateError> {
        let (parent, parent_hash) = self.parent;
        header.parent_hash = parent_hash;
        self.set_fees(&mut header, parent);
        let fork = self.spec.hardfork(&header);
        let mut env = evm_env(self.spec, &header);
        env_overrides.apply(&mut env.block_env);
        relax(&mut env);
        env.cfg_env.disable_nonce_check = !self.env.validation;
        let precompiles = evm::precompiles(&env);
        let moves = overrides::state(&mut state, overrides, &precompiles)?;
        let precompiles = overrides::moved(precompiles, &moves)?;
        let watch = (Transfers::default(), (Collisions::new(self.spec), self.deadline.clone()));
        // Somebody has to look at the clock and, if asked for, at transfers.
        let inspect = self.env.trace_transfers || self.deadline.is_set() || !watch.1.0.is_empty();
        let mut evm = evm::build(state, env, precompiles, watch, inspect);
        if !moves.is_empty() {
            evm::warm_precompiles(&mut evm);
        }
        system::before_transactions(&mut evm, self.spec, fork, &header)?;
        Ok(Open {
            evm,
            fork,
            header,
            gas_used: 0,
            blob_gas_used: 0,
            logs: 0,
            transactions: Vec::new(),
            encoded: Vec::new(),
            senders: Vec::new(),
            receipts: Vec::new(),
            calls: Vec::new(),
        })
    }

    /// Without validation the base fee is zero unless given, so that calls need not offer one.
    fn set_fees(&self, header: &mut Header, parent: &Header) {
        if !self.spec.is_active(Hardfork::London, header.number, header.timestamp) {
            header.base_fee_per_gas = None;
        } else if header.base_fee_per_gas.is_none() {
            let fee = if self.env.validation { self.spec.next_base_fee(parent, header.timestamp) } else { None };
            header.base_fee_per_gas = Some(fee.unwrap_or_default());
        }
        header.excess_blob_gas = self.spec.next_excess_blob_gas(parent, header.timestamp);
    }

    fn root<DB: DatabaseRef>(&self, state: &Overlay<DB>) -> Result<B256, SimulateError> {
        (self.env.root)(state.changes()).map_err(SimulateError::Root)
    }

    fn call<DB: DatabaseRef>(
        &self,
        open: &mut Open<DB>,
        request: TransactionRequest,
        gas_left: &mut u64,
    ) -> Result<(), SimulateError> {
        let from = sender(&request);
        let nonce = account_nonce(&mut open.evm, from)?;
        let limit = open.header.gas_limit;
        let gas = limit.saturating_sub(open.gas_used);
        let wanted = request.gas.unwrap_or(gas);
        if wanted > gas {
            return Err(SimulateError::BlockGasLimit { used: open.gas_used, wanted, limit });
        }
        if *gas_left == 0 {
            return Err(SimulateError::GasBudget);
        }
        let london = open.header.base_fee_per_gas.is_some();
        let defaults = Defaults { nonce, gas, gas_cap: *gas_left, london };
        let env = EvmEnv::new(open.evm.cfg.clone(), open.evm.block.clone());
        let free_blobs = !self.env.validation && request::waives_blob_fee(&request);
        let Unsigned { env: mut tx, transaction, encoded } = prepare(request, &env, &defaults)?;
        if self.env.validation {
            // Before what the EVM looks at: which of two broken rules is named should not depend on it.
            check_nonce(tx.nonce, nonce, from)
                .map_err(|error| SimulateError::Transaction { error, gas: tx.gas_limit })?;
        } else {
            // Nobody looks at it, but the EVM refuses the greatest one.
            tx.nonce = 0;
        }
        let is_call = tx.kind.is_call();
        let outcome = self.transact(open, tx, env, free_blobs)?;
        if is_call && !self.env.validation && nonce == u64::MAX {
            wrap_nonce(&mut open.evm, from)?;
        }
        *gas_left = gas_left.saturating_sub(outcome.tx_gas_used());
        self.keep(open, outcome, transaction, from)?;
        open.encoded.push(encoded);
        Ok(())
    }

    /// Runs a transaction and commits it. Without validation, who offers no fee pays none, whatever the base fee.
    fn transact<DB: DatabaseRef>(
        &self,
        open: &mut Open<DB>,
        tx: revm::context::TxEnv,
        env: EvmEnv,
        free_blobs: bool,
    ) -> Result<revm::context_interface::result::ExecutionResult, SimulateError> {
        let gas = tx.gas_limit;
        let free = !self.env.validation && tx.gas_price == 0 && tx.gas_priority_fee.unwrap_or_default() == 0;
        open.evm.cfg.disable_base_fee = free;
        if free_blobs && let Some(blob) = &mut open.evm.block.blob_excess_gas_and_price {
            blob.blob_gasprice = 0;
        }
        let result = block::transact(&mut open.evm, open.header.number, tx);
        open.evm.block.blob_excess_gas_and_price = env.block_env.blob_excess_gas_and_price;
        if open.evm.inspector().1.1.passed() {
            return Err(SimulateError::Timeout);
        }
        let ResultAndState { result, state } = result.map_err(|error| SimulateError::transaction(error, gas))?;
        open.evm.db_mut().commit(state);
        Ok(result)
    }

    /// Adds a transaction that ran to the block.
    fn keep<DB: DatabaseRef>(
        &self,
        open: &mut Open<DB>,
        result: revm::context_interface::result::ExecutionResult,
        transaction: Transaction,
        from: Address,
    ) -> Result<(), SimulateError> {
        let status = if open.fork >= Hardfork::Byzantium {
            Eip658Value::Eip658(result.is_success())
        } else {
            Eip658Value::PostState(self.root(open.evm.db())?)
        };
        let outcome = CallOutcome::new(result.clone());
        open.gas_used += outcome.gas_used;
        open.blob_gas_used += transaction.blob_gas_used().unwrap_or_default();
        let emitted = result.into_logs();
        let transfers = open.evm.inspector_mut().0.take();
        let logs = if self.env.trace_transfers { transfers } else { emitted.clone() };
        let first_log = open.logs;
        open.logs += logs.len() as u64;
        open.receipts.push(receipt(&transaction, status, open.gas_used, emitted));
        open.calls.push(SimulatedCall { outcome, logs, first_log });
        open.transactions.push(transaction);
        open.senders.push(from);
        Ok(())
    }
}

fn database<E: std::error::Error + Send + Sync + 'static>(error: E) -> SimulateError {
    SimulateError::Execution(ExecutionError::Database(Box::new(error)))
}

fn account_nonce<DB: DatabaseRef>(evm: &mut BlockEvm<DB, Watch>, address: Address) -> Result<u64, SimulateError> {
    Ok(evm.db_mut().account(address).map_err(database)?.map_or(0, |account| account.nonce))
}

fn check_nonce(tx: u64, next: u64, address: Address) -> Result<(), TxError> {
    match tx.cmp(&next) {
        Ordering::Less => Err(TxError::NonceTooLow { next, tx }),
        Ordering::Greater => Err(TxError::NonceTooHigh { next, tx }),
        Ordering::Equal if tx == u64::MAX => Err(TxError::NonceMax { address, nonce: tx }),
        Ordering::Equal => Ok(()),
    }
}

/// Without validation the greatest nonce is followed by zero, as in geth; the EVM leaves it as it is.
fn wrap_nonce<DB: DatabaseRef>(evm: &mut BlockEvm<DB, Watch>, address: Address) -> Result<(), SimulateError> {
    let state = evm.db_mut();
    let Some(mut account) = state.account(address).map_err(database)? else { return Ok(()) };
    account.nonce = 0;
    state.set_account(address, Some(account)).map_err(database)
}
