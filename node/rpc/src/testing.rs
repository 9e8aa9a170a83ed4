//! The `testing` namespace (execution-apis): builds a payload on a merged block without a beacon chain that asks for
//! it. It changes nothing. For tests only: a public listener must not offer it.

use crate::{
    RpcError,
    context::{Json, Node, json},
};
use alloy_serde::quantity;
use atoll_executor::{BlockBuilder, BuildError, BuiltBlock, DatabaseRef, RootFn, Skip};
use atoll_primitives::{
    Address, B256, Bytes, Header, PooledTransaction, SignerRecoverable as _, StateChanges, Transaction,
    TransactionExt as _, U256,
    consensus::proofs::calculate_withdrawals_root,
    eip2718::{Decodable2718 as _, Encodable2718 as _},
    eips::{eip4895::Withdrawals, eip7594::BlobTransactionSidecarVariant, eip7685::Requests},
    transactions_root,
};
use jsonrpsee::{core::async_trait, proc_macros::rpc};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a beacon chain would ask for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PayloadAttributes {
    #[serde(with = "quantity")]
    timestamp: u64,
    prev_randao: B256,
    suggested_fee_recipient: Address,
    withdrawals: Option<Withdrawals>,
    parent_beacon_block_root: Option<B256>,
}

/// Builds, and forgets.
#[rpc(server, namespace = "testing")]
pub(crate) trait TestingApi {
    /// With these transactions in this order, or with the pool's if there is no list.
    #[method(name = "buildBlockV1")]
    async fn build_block(
        &self,
        parent: B256,
        attributes: PayloadAttributes,
        transactions: Option<Vec<Bytes>>,
        extra_data: Option<Bytes>,
    ) -> Result<Json, RpcError>;
}

/// Answers from a node.
pub(crate) struct Testing(pub(crate) Arc<Node>);

/// `ExecutionPayload` of the engine API.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PayloadJson<'a> {
    parent_hash: B256,
    fee_recipient: Address,
    state_root: B256,
    receipts_root: B256,
    logs_bloom: &'a atoll_primitives::Bloom,
    prev_randao: B256,
    #[serde(with = "quantity")]
    block_number: u64,
    #[serde(with = "quantity")]
    gas_limit: u64,
    #[serde(with = "quantity")]
    gas_used: u64,
    #[serde(with = "quantity")]
    timestamp: u64,
    extra_data: &'a Bytes,
    #[serde(with = "quantity::opt", skip_serializing_if = "Option::is_none")]
    base_fee_per_gas: Option<u64>,
    block_hash: B256,
    transactions: Vec<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawals: Option<&'a Withdrawals>,
    #[serde(with = "quantity::opt", skip_serializing_if = "Option::is_none")]
    blob_gas_used: Option<u64>,
    #[serde(with = "quantity::opt", skip_serializing_if = "Option::is_none")]
    excess_blob_gas: Option<u64>,
}

/// The answer of `engine_getPayload`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EnvelopeJson<'a> {
    execution_payload: PayloadJson<'a>,
    block_value: U256,
    blobs_bundle: BlobsBundle,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_requests: Option<&'a Requests>,
    should_override_builder: bool,
}

#[derive(Default, Serialize)]
struct BlobsBundle {
    commitments: Vec<Bytes>,
    proofs: Vec<Bytes>,
    blobs: Vec<Bytes>,
}

impl BlobsBundle {
    fn add(&mut self, tx: &PooledTransaction) {
        let PooledTransaction::Eip4844(signed) = tx else { return };
        let bytes = |data: &[u8]| Bytes::copy_from_slice(data);
        let (blobs, commitments, proofs) = match &signed.tx().sidecar {
            BlobTransactionSidecarVariant::Eip4844(sidecar) => (&sidecar.blobs, &sidecar.commitments, &sidecar.proofs),
            BlobTransactionSidecarVariant::Eip7594(sidecar) => {
                (&sidecar.blobs, &sidecar.commitments, &sidecar.cell_proofs)
            }
        };
        self.blobs.extend(blobs.iter().map(|blob| bytes(blob.as_slice())));
        self.commitments.extend(commitments.iter().map(|commitment| bytes(commitment.as_slice())));
        self.proofs.extend(proofs.iter().map(|proof| bytes(proof.as_slice())));
    }
}

#[async_trait]
impl TestingApiServer for Testing {
    async fn build_block(
        &self,
        parent: B256,
        attributes: PayloadAttributes,
        transactions: Option<Vec<Bytes>>,
        extra_data: Option<Bytes>,
    ) -> Result<Json, RpcError> {
        let extra_data = extra_data.unwrap_or_default();
        self.0.executing(move |node| node.build_payload(parent, attributes, transactions.as_deref(), extra_data)).await
    }
}

impl Node {
    fn build_payload(
        &self,
        parent: B256,
        attributes: PayloadAttributes,
        transactions: Option<&[Bytes]>,
        extra_data: Bytes,
    ) -> Result<Json, RpcError> {
        let state = self.state(Some(parent.into()))?;
        let sealed = state.view.header().clone();
        let withdrawals = attributes.withdrawals;
        let mut header = Header {
            timestamp: attributes.timestamp,
            mix_hash: attributes.prev_randao,
            beneficiary: attributes.suggested_fee_recipient,
            parent_beacon_block_root: attributes.parent_beacon_block_root,
            withdrawals_root: withdrawals.as_ref().map(|list| calculate_withdrawals_root(list)),
            extra_data,
            gas_limit: self.control.gas_limit_target(),
            ..Header::default()
        };
        let prepared = self.chain.engine().prepare_payload(&mut header, &sealed);
        prepared.map_err(|error| RpcError::InvalidArgument { index: 1, reason: error.to_string() })?;
        let withdrawals = header.withdrawals_root.map(|_| withdrawals.unwrap_or_default());

        let root = |changes: &StateChanges| Ok(state.view.state_root(changes)?.0);
        let root: RootFn<'_> = &root;
        let db = self.state_db(&state);
        let mut builder = BlockBuilder::new(&self.spec, db, &header, Some(root)).map_err(refused)?;
        let mut bundle = BlobsBundle::default();
        match transactions {
            Some(list) => list.iter().try_for_each(|raw| add(&mut builder, raw))?,
            None => self.add_pooled(&mut builder, &header, &mut bundle)?,
        }
        let rewards = self.chain.engine().rewards(&header, &[]);
        let built = builder.finish(withdrawals.as_ref(), &rewards).map_err(refused)?;
        header.state_root = state.view.state_root(&built.output.changes)?.0;
        complete(&mut header, &built);
        header.requests_hash = built.output.requests_hash(self.spec.hardfork(&header));
        json(&envelope(&header, &built, withdrawals.as_ref(), bundle))
    }

    /// The pool's transactions, best first, until the block is full or the call's time is up.
    fn add_pooled<DB: DatabaseRef>(
        &self,
        builder: &mut BlockBuilder<'_, DB>,
        header: &Header,
        bundle: &mut BlobsBundle,
    ) -> Result<(), RpcError> {
        let deadline = self.deadline();
        let mut best = self.pool.pending(header.base_fee_per_gas.unwrap_or_default());
        if let (Some(params), Some(excess)) = (self.spec.blob_params(header.timestamp), header.excess_blob_gas) {
            best = best.with_blob_fee(params.calc_blob_fee(excess));
        }
        while let Some(tx) = best.next() {
            if std::time::Instant::now() >= deadline {
                break;
            }
            match builder.try_transaction(&tx.transaction(), tx.sender) {
                Ok(_) => bundle.add(&tx.tx),
                Err(BuildError::Transaction(error)) => match error.skip() {
                    Skip::Transaction => {}
                    Skip::Sender => best.mark_invalid(&tx.sender),
                    Skip::BlockFull => break,
                },
                Err(BuildError::Execution(error)) => return Err(refused(error)),
            }
        }
        Ok(())
    }
}

/// The block cannot be built, which is nobody's parameter's fault.
fn refused(error: impl Into<BuildError>) -> RpcError {
    RpcError::BuildBlock(Box::new(error.into()))
}

fn add<DB: DatabaseRef>(builder: &mut BlockBuilder<'_, DB>, raw: &Bytes) -> Result<(), RpcError> {
    let invalid = |reason: String| RpcError::InvalidArgument { index: 2, reason };
    let tx = Transaction::decode_2718_exact(raw).map_err(|error| invalid(error.to_string()))?;
    let sender = tx.recover_signer().map_err(|error| invalid(error.to_string()))?;
    match builder.try_transaction(&tx, sender) {
        Ok(_) => Ok(()),
        Err(BuildError::Transaction(error)) => Err(invalid(error.to_string())),
        Err(error) => Err(refused(error)),
    }
}

/// The header's second half but for the state root and the requests.
fn complete(header: &mut Header, built: &BuiltBlock) {
    let output = &built.output;
    header.transactions_root = transactions_root(&built.transactions);
    header.receipts_root = output.receipts_root();
    header.logs_bloom = output.logs_bloom;
    header.gas_used = output.gas_used;
    header.blob_gas_used = header.blob_gas_used.map(|_| output.blob_gas_used);
}

fn envelope<'a>(
    header: &'a Header,
    built: &'a BuiltBlock,
    withdrawals: Option<&'a Withdrawals>,
    blobs_bundle: BlobsBundle,
) -> EnvelopeJson<'a> {
    let execution_payload = PayloadJson {
        parent_hash: header.parent_hash,
        fee_recipient: header.beneficiary,
        state_root: header.state_root,
        receipts_root: header.receipts_root,
        logs_bloom: &header.logs_bloom,
        prev_randao: header.mix_hash,
        block_number: header.number,
        gas_limit: header.gas_limit,
        gas_used: header.gas_used,
        timestamp: header.timestamp,
        extra_data: &header.extra_data,
        base_fee_per_gas: header.base_fee_per_gas,
        block_hash: header.hash_slow(),
        transactions: built.transactions.iter().map(|tx| tx.encoded_2718().into()).collect(),
        withdrawals,
        blob_gas_used: header.blob_gas_used,
        excess_blob_gas: header.excess_blob_gas,
    };
    EnvelopeJson {
        execution_payload,
        block_value: value(header, built),
        blobs_bundle,
        execution_requests: header.requests_hash.map(|_| &built.output.requests),
        should_override_builder: false,
    }
}

/// What the fee recipient earns, in wei.
fn value(header: &Header, built: &BuiltBlock) -> U256 {
    let base_fee = header.base_fee_per_gas.unwrap_or_default();
    let mut before = 0;
    let earned = built.transactions.iter().zip(&built.output.receipts).map(|(tx, receipt)| {
        let gas = receipt.cumulative_gas_used().saturating_sub(before);
        before = receipt.cumulative_gas_used();
        U256::from(tx.effective_tip_per_gas(base_fee).unwrap_or_default()) * U256::from(gas)
    });
    earned.sum()
}
