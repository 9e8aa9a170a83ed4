//! Running a block's transactions again, one after the other, each under a tracer that starts afresh.

use super::{
    TraceError, TraceLimits,
    flat_json::Place,
    watch::{Budget, Growing, Watched},
};
use crate::{
    BoxError, Overlay,
    block::{self, BlockRun},
    collision::Collisions,
    env::evm_env,
    evm,
};
use alloy_evm::{EvmEnv, FromRecoveredTx};
use atoll_primitives::{Address, B256, ChainSpec, RecoveredBlock, Transaction};
use revm::{DatabaseCommit, DatabaseRef, Inspector, context::TxEnv, context_interface::result::ResultAndState};

/// A transaction as revm takes it.
pub(crate) fn environment(tx: &Transaction, sender: Address) -> TxEnv {
    TxEnv::from_recovered_tx(tx, sender)
}

/// The context a block's transactions are traced in.
pub(crate) type BlockContext<'a, DB> = alloy_evm::eth::EthEvmContext<&'a mut Overlay<DB>>;

/// Receipts are thrown away here, so nobody needs the roots that old ones carry.
fn no_root(_: &atoll_primitives::StateChanges) -> Result<B256, BoxError> {
    Ok(B256::ZERO)
}

/// A block on its way through its transactions.
pub(crate) struct Replay<DB: DatabaseRef> {
    /// After the transactions so far.
    pub(crate) state: Overlay<DB>,
    pub(crate) env: EvmEnv,
    pub(crate) budget: Budget,
    collisions: Collisions,
    hash: B256,
    number: u64,
    logs: usize,
}

/// A transaction that ran, before its changes are kept.
pub(crate) struct Traced {
    pub(crate) tx: TxEnv,
    pub(crate) outcome: ResultAndState,
}

impl<DB: DatabaseRef + 'static> Replay<DB> {
    /// Runs everything before the transaction at `index`.
    pub(crate) fn until(
        spec: &ChainSpec,
        db: DB,
        block: &RecoveredBlock,
        index: usize,
        limits: TraceLimits,
    ) -> Result<Self, TraceError> {
        let budget = Budget::new(limits);
        let mut run = BlockRun::start(spec, db, block.header().clone(), Some(&no_root))?;
        for (tx, sender) in block.transactions().take(index) {
            budget.check()?;
            run.transact(tx, sender)?;
        }
        let logs =
            run.receipts().iter().map(|receipt| atoll_primitives::consensus::TxReceipt::logs(receipt).len()).sum();
        let (env, collisions) = (evm_env(spec, block.header()), Collisions::new(spec));
        Ok(Self { state: run.into_state(), env, budget, collisions, hash: block.hash, number: block.number(), logs })
    }

    /// Where the next transaction stands.
    pub(crate) fn place(&self, tx: &Transaction, index: usize) -> Place {
        Place {
            block_hash: Some(self.hash),
            block_number: self.number,
            tx_hash: Some(*tx.tx_hash()),
            tx_index: index,
            first_log: self.logs,
        }
    }

    /// Runs the next transaction under a tracer; `keep` takes its changes.
    pub(crate) fn run<T>(&mut self, tx: TxEnv, tracer: &mut T) -> Result<Traced, TraceError>
    where
        T: Growing + for<'a> Inspector<BlockContext<'a, DB>>,
    {
        self.budget.check()?;
        let outcome = {
            let precompiles = evm::precompiles(&self.env);
            let watched = Watched { tracer, budget: &mut self.budget };
            let inspectors = (watched, self.collisions.clone());
            let mut evm = evm::build(&mut self.state, self.env.clone(), precompiles, inspectors, true);
            block::transact(&mut evm, self.number, tx.clone())
        };
        match outcome {
            Ok(outcome) => Ok(Traced { tx, outcome }),
            // After the limit any failure is the limit's.
            Err(error) => Err(self.budget.verdict().err().unwrap_or_else(|| error.into())),
        }
    }

    /// Keeps the changes of a transaction that ran.
    pub(crate) fn keep(&mut self, traced: Traced) {
        self.logs += traced.outcome.result.logs().len();
        self.state.commit(traced.outcome.state);
    }
}
