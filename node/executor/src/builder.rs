//! Building a block transaction by transaction, for the miner and for "pending".

use crate::{BlockOutput, ExecutionError, RootFn, TxError, block::BlockRun};
use atoll_primitives::{
    Address, ChainSpec, Hardfork, Header, Receipt, Transaction, U256,
    consensus::TxReceipt,
    eips::{eip2718::Encodable2718, eip4895::Withdrawals},
};
use revm::DatabaseRef;

/// Longest RLP of a block from Osaka on, in bytes (EIP-7934).
const MAX_RLP_BLOCK_SIZE: usize = (10 << 20) - (2 << 20);
/// Room left for header, ommers and withdrawals under EIP-7934's limit, generously.
const SIZE_RESERVE: usize = 1 << 20;

/// Why a transaction was not added.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// It may not stand here; [`TxError::skip`] says what to do next. The block is as it was.
    #[error(transparent)]
    Transaction(#[from] TxError),
    /// The block cannot be built.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
}

/// What an added transaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxResult {
    /// Gas it used.
    pub gas_used: u64,
    /// Whether it succeeded (before Byzantium: always true, receipts do not say).
    pub success: bool,
}

/// A finished block without its seal.
#[derive(Debug, Clone)]
pub struct BuiltBlock {
    /// Receipts, changes, gas and requests.
    pub output: BlockOutput,
    /// The transactions, in order.
    pub transactions: Vec<Transaction>,
    /// Their senders.
    pub senders: Vec<Address>,
}

/// A block that grows.
pub struct BlockBuilder<'a, DB: DatabaseRef> {
    run: BlockRun<'a, DB>,
    transactions: Vec<Transaction>,
    senders: Vec<Address>,
    bytes: usize,
}

impl<'a, DB: DatabaseRef> BlockBuilder<'a, DB> {
    /// Starts a block over its parent's state `db`. `header` holds everything the EVM can see: parent hash, number,
    /// time, gas limit, beneficiary, difficulty, mix hash, base fee, excess blob gas, parent beacon block root.
    /// `intermediate_root` is needed before Byzantium only.
    ///
    /// # Errors
    /// A header without a field that its fork needs, or the database's error.
    pub fn new(
        spec: &'a ChainSpec,
        db: DB,
        header: &Header,
        intermediate_root: Option<RootFn<'a>>,
    ) -> Result<Self, ExecutionError> {
        let run = BlockRun::start(spec, db, header.clone(), intermediate_root)?;
        Ok(Self { run, transactions: Vec::new(), senders: Vec::new(), bytes: 0 })
    }

    /// Gas that transactions may still use.
    pub fn gas_left(&self) -> u64 {
        self.run.gas_left()
    }

    /// How many transactions stand in the block.
    pub fn len(&self) -> usize {
        self.transactions.len()
    }

    /// Whether no transaction stands in the block.
    pub fn is_empty(&self) -> bool {
        self.transactions.is_empty()
    }

    /// Runs a transaction at the end of the block and adds it.
    ///
    /// # Errors
    /// [`BuildError::Transaction`] leaves the block as it was.
    pub fn try_transaction(&mut self, tx: &Transaction, sender: Address) -> Result<TxResult, BuildError> {
        let size = tx.encode_2718_len();
        self.check_size(size)?;
        let before = self.run.gas_left();
        let receipt = self.run.transact(tx, sender)?;
        let success = receipt.status_or_post_state().coerce_status();
        self.bytes += size;
        self.transactions.push(tx.clone());
        self.senders.push(sender);
        Ok(TxResult { gas_used: before - self.run.gas_left(), success })
    }

    fn check_size(&self, wanted: usize) -> Result<(), TxError> {
        if self.run.fork() < Hardfork::Osaka {
            return Ok(());
        }
        let available = (MAX_RLP_BLOCK_SIZE - SIZE_RESERVE).saturating_sub(self.bytes);
        if wanted > available { Err(TxError::BlockSizeReached { available, wanted }) } else { Ok(()) }
    }

    /// The receipts so far.
    pub fn receipts(&self) -> &[Receipt] {
        self.run.receipts()
    }

    /// Ends the block with the engine's rewards (wei). `withdrawals` is the empty list from Shanghai on when there
    /// is no beacon chain.
    ///
    /// # Errors
    /// A system contract that fails, or the database's error.
    pub fn finish(
        self,
        withdrawals: Option<&Withdrawals>,
        rewards: &[(Address, U256)],
    ) -> Result<BuiltBlock, ExecutionError> {
        let output = self.run.finish(withdrawals, rewards)?;
        Ok(BuiltBlock { output, transactions: self.transactions, senders: self.senders })
    }
}
