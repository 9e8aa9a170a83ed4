//! Building an unsealed block on a parent: header, transactions best first, ommers, rewards, roots.
//!
//! It must not know seals or threads; whoever calls it decides when and what for.

use crate::{
    MinerError,
    settings::{Settings, Shared},
};
use atoll_executor::{BlockBuilder, BuildError, BuiltBlock, DatabaseRef, Skip, StateDb};
use atoll_primitives::{
    Block, BlockBody, ChainSpec, Hardfork, Header, HeaderReader, Receipt, RecoveredBlock, SealedHeader, StateChanges,
    TransactionExt as _, consensus::proofs::calculate_ommers_root, eips::eip4895::Withdrawals, transactions_root,
};
use atoll_txpool::BestTransactions;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The least gas a transaction needs: with less left a block is full.
const MIN_TX_GAS: u64 = 21_000;
/// Adding transactions stops after this long; those left wait for the next block. The bound on how long a template
/// takes, whatever the gas limit and the contracts.
const MAX_BUILD_TIME: Duration = Duration::from_secs(2);

/// A block without a seal, and what it does.
#[derive(Debug, Clone)]
pub struct PendingBlock {
    /// The block; its hash means nothing until it is sealed.
    pub block: Arc<RecoveredBlock>,
    /// One per transaction.
    pub receipts: Arc<Vec<Receipt>>,
    /// What it changes in its parent's state.
    pub changes: Arc<StateChanges>,
}

/// What goes into a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    /// The pool's transactions, best first.
    FromPool,
    /// No transaction.
    Empty,
}

/// Builds a block on `parent` at `now` (seconds).
pub(crate) fn build(
    shared: &Shared,
    settings: &Settings,
    parent: &SealedHeader,
    ommers: Vec<Header>,
    contents: Contents,
    now: u64,
) -> Result<PendingBlock, MinerError> {
    let storage = shared.chain.storage();
    let (spec, engine) = (shared.chain.spec(), shared.chain.engine());
    let mut header = Header {
        beneficiary: settings.coinbase,
        gas_limit: settings.gas_limit_target,
        extra_data: settings.extra_data.clone(),
        ..Header::default()
    };
    engine.prepare(&mut header, parent, storage, now)?;
    header.ommers_hash = calculate_ommers_root(&ommers);

    let view = storage.state_at(&parent.hash)?.ok_or(MinerError::NoState { parent: parent.hash })?;
    let headers: Arc<dyn HeaderReader> = Arc::new(storage.clone());
    let root = |changes: &StateChanges| Ok(view.state_root(changes)?.0);
    let byzantium = spec.is_active(Hardfork::Byzantium, header.number, header.timestamp);
    let intermediate_root = if byzantium { None } else { Some(&root as atoll_executor::RootFn<'_>) };
    let mut builder = BlockBuilder::new(spec, StateDb::new(view.clone(), headers), &header, intermediate_root)?;
    if contents == Contents::FromPool {
        add_transactions(&mut builder, best(shared, spec, &header), settings, header.base_fee_per_gas.unwrap_or(0))?;
    }

    let withdrawals = header.withdrawals_root.is_some().then(Withdrawals::default);
    let built = builder.finish(withdrawals.as_ref(), &engine.rewards(&header, &ommers))?;
    let (state_root, _) = view.state_root(&built.output.changes)?;
    header.state_root = state_root;
    Ok(assemble(spec, header, ommers, withdrawals, built))
}

fn best(shared: &Shared, spec: &ChainSpec, header: &Header) -> BestTransactions {
    let best = shared.pool.pending(header.base_fee_per_gas.unwrap_or(0));
    match (spec.blob_params(header.timestamp), header.excess_blob_gas) {
        (Some(params), Some(excess)) => best.with_blob_fee(params.calc_blob_fee(excess)),
        _ => best,
    }
}

fn add_transactions<DB: DatabaseRef>(
    builder: &mut BlockBuilder<'_, DB>,
    mut best: BestTransactions,
    settings: &Settings,
    base_fee: u64,
) -> Result<(), MinerError> {
    let deadline = Instant::now() + MAX_BUILD_TIME;
    while let Some(tx) = best.next() {
        if builder.gas_left() < MIN_TX_GAS || Instant::now() >= deadline {
            break;
        }
        let cheap = !tx.is_local() && tx.effective_tip(base_fee).is_none_or(|tip| tip < settings.gas_price);
        if cheap || tx.tx.gas_limit() > builder.gas_left() {
            best.mark_invalid(&tx.sender);
            continue;
        }
        match builder.try_transaction(&tx.transaction(), tx.sender) {
            Ok(_) => {}
            Err(BuildError::Transaction(error)) => {
                tracing::debug!(hash = %tx.hash(), %error, "left out of the block");
                match error.skip() {
                    Skip::Transaction => {}
                    Skip::Sender => best.mark_invalid(&tx.sender),
                    Skip::BlockFull => break,
                }
            }
            Err(BuildError::Execution(error)) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Fills the header from the body and from what executing it gave.
fn assemble(
    spec: &ChainSpec,
    mut header: Header,
    ommers: Vec<Header>,
    withdrawals: Option<Withdrawals>,
    built: BuiltBlock,
) -> PendingBlock {
    let BuiltBlock { output, transactions, senders } = built;
    header.transactions_root = transactions_root(&transactions);
    header.receipts_root = output.receipts_root();
    header.logs_bloom = output.logs_bloom;
    header.gas_used = output.gas_used;
    header.blob_gas_used = header.blob_gas_used.map(|_| output.blob_gas_used);
    header.requests_hash = output.requests_hash(spec.hardfork(&header));
    let block = Block { header, body: BlockBody { transactions, ommers, withdrawals } };
    let block = RecoveredBlock { hash: block.header.hash_slow(), block, senders };
    PendingBlock { block: Arc::new(block), receipts: Arc::new(output.receipts), changes: Arc::new(output.changes) }
}
