//! Executing the transactions of a block, one after the other, over one working state.

use crate::{
    BlockOutput, BoxError, ExecutionError, Overlay, TxError, builder::BuildError, collision::Collisions, env::evm_env,
    evm, receipts::receipt, system,
};
use alloy_evm::{EthEvm, Evm, FromRecoveredTx, precompiles::PrecompilesMap};
use atoll_primitives::{
    Account, Address, B256, Bloom, ChainSpec, Hardfork, Header, Receipt, RecoveredBlock, StateChanges, Transaction,
    TransactionExt, U256,
    consensus::{Eip658Value, TxReceipt},
    eips::{eip4895::Withdrawals, eip7685::Requests},
    primitives::map::AddressMap,
};
use revm::{
    DatabaseCommit, DatabaseRef,
    context::TxEnv,
    context_interface::result::{EVMError, InvalidHeader, ResultAndState},
};

/// Computes the state root after these changes to the parent's state; called once a transaction before Byzantium.
pub type RootFn<'a> = &'a dyn Fn(&StateChanges) -> Result<B256, BoxError>;

/// An EVM over a working state; blocks of the chain run under [`Collisions`] alone.
pub(crate) type BlockEvm<DB, I = Collisions> = EthEvm<Overlay<DB>, I, PrecompilesMap>;

/// A block while it runs.
pub(crate) struct BlockRun<'a, DB: DatabaseRef> {
    evm: BlockEvm<DB>,
    spec: &'a ChainSpec,
    fork: Hardfork,
    header: Header,
    intermediate_root: Option<RootFn<'a>>,
    receipts: Vec<Receipt>,
    gas_used: u64,
    blob_gas_used: u64,
    max_blob_gas: u64,
}

impl<'a, DB: DatabaseRef> BlockRun<'a, DB> {
    /// Starts a block with this header over its parent's state, and makes the calls that come before transactions.
    pub(crate) fn start(
        spec: &'a ChainSpec,
        db: DB,
        header: Header,
        intermediate_root: Option<RootFn<'a>>,
    ) -> Result<Self, ExecutionError> {
        let mut run = Self::bare(spec, db, header, intermediate_root)?;
        system::before_transactions(&mut run.evm, spec, run.fork, &run.header)?;
        Ok(run)
    }

    /// Starts a block without the calls that come before transactions.
    fn bare(
        spec: &'a ChainSpec,
        db: DB,
        header: Header,
        intermediate_root: Option<RootFn<'a>>,
    ) -> Result<Self, ExecutionError> {
        let fork = spec.hardfork(&header);
        if fork >= Hardfork::Cancun && header.excess_blob_gas.is_none() {
            let block = header.number;
            return Err(ExecutionError::MissingHeaderField { block, field: "excessBlobGas", since: "Cancun" });
        }
        let env = evm_env(spec, &header);
        let precompiles = evm::precompiles(&env);
        let collisions = Collisions::new(spec);
        // Inspecting slows every instruction down, so it is off unless the genesis file calls for it.
        let inspect = !collisions.is_empty();
        let evm = evm::build(Overlay::new(db), env, precompiles, collisions, inspect);
        let max_blob_gas = spec.blob_params(header.timestamp).map_or(0, |params| params.max_blob_gas_per_block());
        Ok(Self {
            evm,
            spec,
            fork,
            header,
            intermediate_root,
            receipts: Vec::new(),
            gas_used: 0,
            blob_gas_used: 0,
            max_blob_gas,
        })
    }

    /// Gas that transactions may still use.
    pub(crate) fn gas_left(&self) -> u64 {
        self.header.gas_limit.saturating_sub(self.gas_used)
    }

    pub(crate) fn receipts(&self) -> &[Receipt] {
        &self.receipts
    }

    pub(crate) fn fork(&self) -> Hardfork {
        self.fork
    }

    /// Runs a transaction and keeps its changes. A refused one leaves no trace.
    pub(crate) fn transact(&mut self, tx: &Transaction, sender: Address) -> Result<&Receipt, BuildError> {
        self.check(tx)?;
        let env = TxEnv::from_recovered_tx(tx, sender);
        let ResultAndState { result, state } = transact(&mut self.evm, self.header.number, env)?;
        self.evm.db_mut().commit(state);
        self.gas_used += result.tx_gas_used();
        self.blob_gas_used += tx.blob_gas_used().unwrap_or_default();
        let outcome = if self.fork >= Hardfork::Byzantium {
            Eip658Value::Eip658(result.is_success())
        } else {
            Eip658Value::PostState(self.root()?)
        };
        self.receipts.push(receipt(tx, outcome, self.gas_used, result.into_logs()));
        #[expect(clippy::indexing_slicing, reason = "one was pushed in the line above")]
        Ok(&self.receipts[self.receipts.len() - 1])
    }

    fn root(&self) -> Result<B256, ExecutionError> {
        let root = self.intermediate_root.ok_or(ExecutionError::NoIntermediateRoot { block: self.header.number })?;
        root(self.evm.db().changes()).map_err(ExecutionError::IntermediateRoot)
    }

    /// The rules revm leaves to its caller.
    fn check(&self, tx: &Transaction) -> Result<(), TxError> {
        check_signature(tx, self.fork)?;
        let available = self.gas_left();
        if tx.gas_limit() > available {
            return Err(TxError::GasLimitReached { available, wanted: tx.gas_limit() });
        }
        let available = self.max_blob_gas.saturating_sub(self.blob_gas_used);
        match tx.blob_gas_used() {
            Some(wanted) if wanted > available && self.fork >= Hardfork::Cancun => {
                Err(TxError::BlobGasLimitReached { available, wanted })
            }
            _ => Ok(()),
        }
    }

    /// The working state, for who goes on by other means.
    pub(crate) fn into_state(self) -> Overlay<DB> {
        self.evm.into_db()
    }

    /// Ends the block: requests, withdrawals, rewards.
    pub(crate) fn finish(
        mut self,
        withdrawals: Option<&Withdrawals>,
        rewards: &[(Address, U256)],
    ) -> Result<BlockOutput, ExecutionError> {
        let requests = if self.fork >= Hardfork::Prague {
            system::requests(&mut self.evm, self.spec, &self.header, &self.receipts)?
        } else {
            Requests::default()
        };
        self.settle(requests, withdrawals, rewards)
    }

    fn settle(
        mut self,
        requests: Requests,
        withdrawals: Option<&Withdrawals>,
        rewards: &[(Address, U256)],
    ) -> Result<BlockOutput, ExecutionError> {
        system::credit_balances(&mut self.evm, self.fork, withdrawals, rewards)?;
        let logs_bloom = self.receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom());
        Ok(BlockOutput {
            changes: self.evm.into_db().into_changes(),
            receipts: self.receipts,
            gas_used: self.gas_used,
            blob_gas_used: self.blob_gas_used,
            requests,
            logs_bloom,
        })
    }
}

/// Runs one transaction without keeping its changes.
pub(crate) fn transact<E>(evm: &mut E, block: u64, tx: TxEnv) -> Result<ResultAndState, BuildError>
where
    E: Evm<
            Tx = TxEnv,
            HaltReason = revm::context_interface::result::HaltReason,
            Spec = revm::primitives::hardfork::SpecId,
            BlockEnv = revm::context::BlockEnv,
            Error = EVMError<<<E as Evm>::DB as revm::Database>::Error>,
        >,
    <<E as Evm>::DB as revm::Database>::Error: std::error::Error + Send + Sync + 'static,
{
    // The copy shares its input and is needed only to explain a refusal.
    let copy = tx.clone();
    evm.transact_raw(tx).map_err(|error| match error {
        EVMError::Transaction(error) => {
            BuildError::Transaction(TxError::from_revm(error, &copy, evm.block(), evm.cfg_env()))
        }
        EVMError::Header(InvalidHeader::ExcessBlobGasNotSet) => {
            ExecutionError::MissingHeaderField { block, field: "excessBlobGas", since: "Cancun" }.into()
        }
        EVMError::Header(InvalidHeader::PrevrandaoNotSet) => {
            ExecutionError::MissingHeaderField { block, field: "mixHash", since: "Paris" }.into()
        }
        EVMError::Database(error) => ExecutionError::Database(Box::new(error)).into(),
        EVMError::Custom(message) => ExecutionError::Database(message.into()).into(),
        EVMError::CustomAny(error) => ExecutionError::Database(Box::new(error)).into(),
    })
}

/// EIP-2 from Homestead on (no high s), EIP-155 only from Spurious Dragon on.
fn check_signature(tx: &Transaction, fork: Hardfork) -> Result<(), TxError> {
    let high_s = fork >= Hardfork::Homestead && tx.signature().normalize_s().is_some();
    let protected_early = fork < Hardfork::SpuriousDragon && tx.is_legacy() && tx.chain_id().is_some();
    if high_s || protected_early { Err(TxError::InvalidSignature) } else { Ok(()) }
}

/// Executes a block over the state of its parent.
///
/// `rewards` are the engine's, in wei. `intermediate_root` is needed for blocks before Byzantium, whose receipts
/// carry state roots. Header fields are not compared with the result: see [`validate_output`](crate::validate_output).
///
/// # Errors
/// The first transaction or system call that makes the block invalid, or the database's error.
pub fn execute_block(
    spec: &ChainSpec,
    db: impl DatabaseRef,
    block: &RecoveredBlock,
    rewards: &[(Address, U256)],
    intermediate_root: Option<RootFn<'_>>,
) -> Result<BlockOutput, ExecutionError> {
    execute_block_ahead(spec, db, block, rewards, intermediate_root, AddressMap::default())
}

/// The same, with accounts of the parent's state that were read ahead: they are not asked of `db`.
///
/// # Errors
/// As for [`execute_block`].
pub fn execute_block_ahead(
    spec: &ChainSpec,
    db: impl DatabaseRef,
    block: &RecoveredBlock,
    rewards: &[(Address, U256)],
    intermediate_root: Option<RootFn<'_>>,
    ahead: AddressMap<Option<Account>>,
) -> Result<BlockOutput, ExecutionError> {
    let number = block.number();
    let mut run = BlockRun::start(spec, db, block.header().clone(), intermediate_root)?;
    run.evm.db_mut().know(ahead);
    run.receipts.reserve_exact(block.block.body.transactions.len());
    for (index, (tx, sender)) in block.transactions().enumerate() {
        run.transact(tx, sender).map_err(|error| match error {
            BuildError::Transaction(source) => {
                ExecutionError::Transaction { block: number, index, hash: *tx.tx_hash(), source: Box::new(source) }
            }
            BuildError::Execution(error) => error,
        })?;
    }
    run.finish(block.block.body.withdrawals.as_ref(), rewards)
}

/// Executes one transaction by itself in the environment of `header`, over the state `db`: what a state test
/// does. A transaction that is refused changes nothing; `rewards` are paid in any case.
///
/// # Errors
/// The database's error, or a header without a field that its fork needs.
pub fn execute_transaction(
    spec: &ChainSpec,
    db: impl DatabaseRef,
    header: &Header,
    tx: &Transaction,
    sender: Address,
    rewards: &[(Address, U256)],
) -> Result<(Result<(), TxError>, BlockOutput), ExecutionError> {
    let no_root = |_: &StateChanges| Ok(B256::ZERO);
    let mut run = BlockRun::bare(spec, db, header.clone(), Some(&no_root))?;
    let verdict = match run.transact(tx, sender) {
        Ok(_) => Ok(()),
        Err(BuildError::Transaction(error)) => Err(error),
        Err(BuildError::Execution(error)) => return Err(error),
    };
    Ok((verdict, run.settle(Requests::default(), None, rewards)?))
}

#[cfg(test)]
mod tests;
