//! What a transaction should offer: suggestions from recent blocks, and their fee history.

use crate::{RpcError, context::Node};
use alloy_rpc_types_eth::{BlockNumberOrTag, FeeHistory};
use atoll_primitives::{B256, Header, Receipt, RecoveredBlock, TransactionExt as _};

/// Blocks the suggestion looks at, transactions it takes of each, and the percentile it picks (geth's values).
const SAMPLE_BLOCKS: u64 = 20;
const SAMPLES_PER_BLOCK: usize = 3;
const SAMPLE_PERCENTILE: usize = 60;
/// Tips below this are somebody's own mining and say nothing (geth), in wei per gas.
const IGNORED_TIP: u128 = 2;
/// What is suggested when recent blocks say nothing, in wei per gas.
const DEFAULT_TIP: u128 = 1_000_000_000;
/// The most that is ever suggested, in wei per gas (geth).
const MAX_TIP: u128 = 500_000_000_000;
/// Blocks and percentiles one fee history may ask for (geth).
const MAX_HISTORY: u64 = 1024;
const MAX_PERCENTILES: usize = 100;

impl Node {
    /// A tip that recent blocks say is enough, in wei per gas.
    pub(crate) fn suggested_tip(&self) -> Result<u128, RpcError> {
        let head = self.head();
        if let Some((_, tip)) = self.tip_cache.lock().filter(|(hash, _)| *hash == head.hash) {
            return Ok(tip);
        }
        let mut tips = Vec::new();
        let mut hash = head.hash;
        for _ in 0..SAMPLE_BLOCKS {
            let Some(block) = self.storage().block(&hash)? else { break };
            tips.extend(lowest_tips(&block));
            hash = block.header().parent_hash;
        }
        tips.sort_unstable();
        let picked = tips.get(tips.len().saturating_sub(1) * SAMPLE_PERCENTILE / 100).copied();
        let tip = picked.unwrap_or(DEFAULT_TIP).clamp(self.pool.price_limit().min(MAX_TIP), MAX_TIP);
        *self.tip_cache.lock() = Some((head.hash, tip));
        Ok(tip)
    }

    /// A price for transactions that name one: the tip on top of the base fee, in wei per gas.
    pub(crate) fn gas_price(&self) -> Result<u128, RpcError> {
        let base_fee = self.head().base_fee_per_gas.map_or(0, u128::from);
        Ok(self.suggested_tip()?.saturating_add(base_fee))
    }

    /// Wei per blob gas in the next block; zero before Cancun.
    pub(super) fn next_blob_base_fee(&self) -> u128 {
        let head = self.head();
        blob_fee_after(self, &head.header)
    }

    pub(super) fn fee_history(
        &self,
        count: u64,
        newest: BlockNumberOrTag,
        percentiles: Option<&[f64]>,
    ) -> Result<FeeHistory, RpcError> {
        check_percentiles(percentiles.unwrap_or_default())?;
        let head = self.head().number;
        let Some(newest) = self.number_of(newest)? else {
            let requested = newest.as_number().unwrap_or_default();
            return Err(RpcError::BeyondHead { requested, head });
        };
        let count = count.min(MAX_HISTORY).min(newest + 1);
        if count == 0 {
            return Ok(FeeHistory::default());
        }
        let oldest = newest + 1 - count;
        let mut history =
            FeeHistory { oldest_block: oldest, reward: percentiles.map(|_| Vec::new()), ..FeeHistory::default() };
        let mut last = None;
        for number in oldest..=newest {
            let hash = self.storage().canonical_hash(number)?.ok_or(RpcError::HeaderNotFound)?;
            let header = self.storage().header(&hash)?.ok_or(RpcError::HeaderNotFound)?;
            self.add_block(&mut history, &header);
            if let (Some(percentiles), Some(rewards)) = (percentiles, &mut history.reward) {
                rewards.push(self.rewards(&hash, percentiles)?);
            }
            last = Some(header);
        }
        if let Some(header) = last {
            let next = self.spec.next_base_fee(&header, header.timestamp + 1).unwrap_or_default();
            history.base_fee_per_gas.push(next.into());
            history.base_fee_per_blob_gas.push(blob_fee_after(self, &header));
        }
        Ok(history)
    }

    fn add_block(&self, history: &mut FeeHistory, header: &Header) {
        let ratio = |used: u64, limit: u64| if limit == 0 { 0.0 } else { used as f64 / limit as f64 };
        history.base_fee_per_gas.push(header.base_fee_per_gas.map_or(0, u128::from));
        history.gas_used_ratio.push(ratio(header.gas_used, header.gas_limit));
        let params = self.spec.blob_params(header.timestamp);
        let fee = params.zip(header.excess_blob_gas).map_or(0, |(params, excess)| params.calc_blob_fee(excess));
        history.base_fee_per_blob_gas.push(fee);
        let max = params.map_or(0, |params| params.max_blob_gas_per_block());
        history.blob_gas_used_ratio.push(ratio(header.blob_gas_used.unwrap_or_default(), max));
    }

    fn rewards(&self, hash: &B256, percentiles: &[f64]) -> Result<Vec<u128>, RpcError> {
        let view = self.block_by_hash(hash)?.ok_or(RpcError::HeaderNotFound)?;
        Ok(rewards(&view.block, &view.receipts, percentiles))
    }
}

fn blob_fee_after(node: &Node, parent: &Header) -> u128 {
    let timestamp = parent.timestamp + 1;
    let excess = node.spec.next_excess_blob_gas(parent, timestamp);
    let params = node.spec.blob_params(timestamp);
    params.zip(excess).map_or(0, |(params, excess)| params.calc_blob_fee(excess))
}

/// The lowest tips a block accepted, without its own miner's transactions.
fn lowest_tips(block: &RecoveredBlock) -> Vec<u128> {
    let (base_fee, miner) = (block.header().base_fee_per_gas.unwrap_or_default(), block.header().beneficiary);
    let tips = block.transactions().filter(|(_, sender)| *sender != miner);
    let mut tips: Vec<u128> = tips.filter_map(|(tx, _)| tx.effective_tip_per_gas(base_fee)).collect();
    tips.retain(|tip| *tip >= IGNORED_TIP);
    tips.sort_unstable();
    tips.truncate(SAMPLES_PER_BLOCK);
    tips
}

fn check_percentiles(percentiles: &[f64]) -> Result<(), RpcError> {
    let invalid = |reason| Err(RpcError::InvalidPercentile { reason });
    if percentiles.len() > MAX_PERCENTILES {
        return invalid(format!("over the query limit {MAX_PERCENTILES}"));
    }
    if let Some(value) = percentiles.iter().find(|value| !(0.0..=100.0).contains(*value)) {
        return invalid(value.to_string());
    }
    match percentiles.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => invalid(format!("{} is not below {}", pair[0], pair[1])),
        None => Ok(()),
    }
}

/// The tips at the percentiles of the block's gas, transactions sorted by tip; zeroes for an empty block.
fn rewards(block: &RecoveredBlock, receipts: &[Receipt], percentiles: &[f64]) -> Vec<u128> {
    let base_fee = block.header().base_fee_per_gas.unwrap_or_default();
    let mut before = 0;
    let mut paid: Vec<(u128, u64)> = Vec::with_capacity(receipts.len());
    for ((transaction, _), receipt) in block.transactions().zip(receipts) {
        let gas = receipt.cumulative_gas_used() - before;
        before = receipt.cumulative_gas_used();
        paid.push((transaction.effective_tip_per_gas(base_fee).unwrap_or_default(), gas));
    }
    paid.sort_unstable();
    let (mut index, mut reached) = (0, paid.first().map_or(0, |(_, gas)| *gas));
    let total = block.header().gas_used as f64;
    let at = |percentile: &f64| {
        let threshold = (total * percentile / 100.0) as u64;
        while reached < threshold && index + 1 < paid.len() {
            index += 1;
            reached += paid[index].1;
        }
        paid.get(index).map_or(0, |(tip, _)| *tip)
    };
    percentiles.iter().map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::check_percentiles;

    #[test]
    fn percentiles_ascend_within_bounds() {
        assert!(check_percentiles(&[0.0, 50.0, 100.0]).is_ok());
        for bad in [&[101.0][..], &[-1.0], &[f64::NAN], &[50.0, 50.0], &[60.0, 50.0], &[1.0; 101]] {
            assert!(check_percentiles(bad).is_err(), "{bad:?}");
        }
    }
}
