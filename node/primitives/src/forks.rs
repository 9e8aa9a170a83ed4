//! Which fork is active where, and the fork ID (EIP-2124, EIP-6122).

use crate::{ChainSpec, GenesisError};
use alloy_consensus::Header;
use alloy_eip2124::{ForkFilter, ForkFilterKey, ForkId, Head};
use alloy_eips::eip7840::BlobParams;
use alloy_genesis::ChainConfig;
use alloy_hardforks::{EthereumHardfork as Fork, ForkCondition};
use alloy_primitives::{B256, U256};

/// Forks in their order, with the key of the genesis file and the condition it gives.
pub(crate) fn conditions(config: &ChainConfig) -> Vec<(Fork, &'static str, ForkCondition)> {
    let block = |at: Option<u64>| at.map_or(ForkCondition::Never, ForkCondition::Block);
    let time = |at: Option<u64>| at.map_or(ForkCondition::Never, ForkCondition::Timestamp);
    // geth's files may leave petersburg out: it then starts with Constantinople.
    let petersburg = config.petersburg_block.or(config.constantinople_block);
    // Besu's files may name only `constantinopleFixBlock`, which starts both.
    let constantinople = config.constantinople_block.or(config.petersburg_block);
    let mut forks = vec![
        (Fork::Frontier, "", ForkCondition::Block(0)),
        (Fork::Homestead, "homesteadBlock", block(config.homestead_block)),
        (Fork::Dao, "daoForkBlock", block(config.dao_fork_block)),
        (Fork::Tangerine, "eip150Block", block(config.eip150_block)),
        (Fork::SpuriousDragon, "eip158Block", block(config.eip158_block.or(config.eip155_block))),
        (Fork::Byzantium, "byzantiumBlock", block(config.byzantium_block)),
        (Fork::Constantinople, "constantinopleBlock", block(constantinople)),
        (Fork::Petersburg, "petersburgBlock", block(petersburg)),
        (Fork::Istanbul, "istanbulBlock", block(config.istanbul_block)),
        (Fork::MuirGlacier, "muirGlacierBlock", block(config.muir_glacier_block)),
        (Fork::Berlin, "berlinBlock", block(config.berlin_block)),
        (Fork::London, "londonBlock", block(config.london_block)),
        (Fork::ArrowGlacier, "arrowGlacierBlock", block(config.arrow_glacier_block)),
        (Fork::GrayGlacier, "grayGlacierBlock", block(config.gray_glacier_block)),
        (Fork::Shanghai, "shanghaiTime", time(config.shanghai_time)),
        (Fork::Cancun, "cancunTime", time(config.cancun_time)),
        (Fork::Prague, "pragueTime", time(config.prague_time)),
        (Fork::Osaka, "osakaTime", time(config.osaka_time)),
        (Fork::Bpo1, "bpo1Time", time(config.bpo1_time)),
        (Fork::Bpo2, "bpo2Time", time(config.bpo2_time)),
        (Fork::Bpo3, "bpo3Time", time(config.bpo3_time)),
        (Fork::Bpo4, "bpo4Time", time(config.bpo4_time)),
        (Fork::Bpo5, "bpo5Time", time(config.bpo5_time)),
    ];
    include_earlier(&mut forks);
    forks
}

/// Forks that change no rule of the EVM or are one network's own history: any of them may be left out.
const OPTIONAL: [Fork; 4] = [Fork::Dao, Fork::MuirGlacier, Fork::ArrowGlacier, Fork::GrayGlacier];

/// A fork by block that is left out starts with the next one that is named, as Besu reads its files: that one
/// includes it.
fn include_earlier(forks: &mut [(Fork, &'static str, ForkCondition)]) {
    let mut next = ForkCondition::Never;
    for (fork, _, at) in forks.iter_mut().rev().filter(|(fork, ..)| *fork < Fork::Paris && !OPTIONAL.contains(fork)) {
        if *at == ForkCondition::Never && *fork != Fork::Frontier {
            *at = next;
        }
        next = *at;
    }
}

/// Forks that change rules must come in order (geth's `CheckConfigForkOrder`); forks that only move the
/// difficulty bomb, the DAO fork and blob-parameter forks may be left out.
pub(crate) fn check_order(forks: &[(Fork, &'static str, ForkCondition)]) -> Result<(), GenesisError> {
    let optional = |fork: &Fork| OPTIONAL.contains(fork) || *fork >= Fork::Bpo1;
    let mut previous: Option<(&'static str, ForkCondition)> = None;
    for (_, key, condition) in forks.iter().filter(|(fork, _, at)| !optional(fork) || *at != ForkCondition::Never) {
        if let Some((before, at)) = previous {
            let wrong = match (at, *condition) {
                (ForkCondition::Never, ForkCondition::Never) => false,
                (ForkCondition::Never, _) => true,
                (ForkCondition::Block(a), ForkCondition::Block(b)) => a > b,
                (ForkCondition::Timestamp(a), ForkCondition::Timestamp(b)) => a > b,
                _ => false,
            };
            if wrong {
                let reason = format!("is set to start before `config.{before}`; forks must start in their order");
                return Err(GenesisError::field(format!("config.{key}"), reason));
            }
        }
        previous = Some((key, *condition));
    }
    Ok(())
}

impl ChainSpec {
    /// When a fork starts. Paris is [`ForkCondition::Never`] here: it shows in a header's difficulty.
    pub fn condition(&self, fork: Fork) -> ForkCondition {
        self.forks.iter().find(|(name, ..)| *name == fork).map_or(ForkCondition::Never, |(.., at)| *at)
    }

    /// Whether `fork` is active in a block of this number and timestamp (seconds).
    pub fn is_active(&self, fork: Fork, number: u64, timestamp: u64) -> bool {
        self.condition(fork).active_at_timestamp_or_number(timestamp, number)
    }

    /// Whether the header stands after the merge: its difficulty is zero and the chain has a terminal total
    /// difficulty (EIP-3675).
    pub fn is_post_merge(&self, header: &Header) -> bool {
        header.difficulty.is_zero() && self.genesis.config.terminal_total_difficulty.is_some()
    }

    /// The newest fork active in a block with this header, for the rules of the EVM.
    ///
    /// Time-based forks count on their own, without a merge: that is how proof of work, Clique and QBFT run
    /// under the current EVM.
    pub fn hardfork(&self, header: &Header) -> Fork {
        let merged = self.is_post_merge(header);
        let active = |at: &ForkCondition| at.active_at_timestamp_or_number(header.timestamp, header.number);
        let newest = self.forks.iter().rev().find(|(.., at)| active(at)).map_or(Fork::Frontier, |(fork, ..)| *fork);
        if merged && newest < Fork::Paris { Fork::Paris } else { newest }
    }

    /// Blob parameters in force at a timestamp (EIP-7840, EIP-7892); `None` before Cancun.
    pub fn blob_params(&self, timestamp: u64) -> Option<BlobParams> {
        let schedule = &self.genesis.config.blob_schedule;
        let active = self.forks.iter().rev().filter(|(.., at)| at.active_at_timestamp(timestamp));
        let osaka = self.condition(Fork::Osaka).active_at_timestamp(timestamp);
        for (fork, key, _) in active.filter(|(fork, ..)| *fork >= Fork::Cancun) {
            let named = schedule.get(key.trim_end_matches("Time")).copied();
            let built_in = match fork {
                Fork::Bpo2 => Some(BlobParams::bpo2()),
                Fork::Bpo1 => Some(BlobParams::bpo1()),
                Fork::Osaka => Some(BlobParams::osaka()),
                Fork::Prague => Some(BlobParams::prague()),
                Fork::Cancun => Some(BlobParams::cancun()),
                // BPO3 and later have no values of their own: without a schedule they change nothing.
                _ => None,
            };
            let Some(mut params) = named.or(built_in) else { continue };
            if osaka {
                // EIP-7594: six blobs a transaction; EIP-7918: the reserve price.
                params = params.with_max_blobs_per_tx(6).with_blob_base_cost(alloy_eips::eip7840::BLOB_BASE_COST);
            }
            return Some(params);
        }
        None
    }

    /// The base fee of the block after `parent` (EIP-1559); `None` before London.
    pub fn next_base_fee(&self, parent: &Header, timestamp: u64) -> Option<u64> {
        if !self.is_active(Fork::London, parent.number + 1, timestamp) {
            return None;
        }
        let params = alloy_eips::eip1559::BaseFeeParams::ethereum();
        Some(match parent.base_fee_per_gas {
            Some(fee) => params.next_block_base_fee(parent.gas_used, parent.gas_limit, fee),
            None => alloy_eips::eip1559::INITIAL_BASE_FEE,
        })
    }

    /// The excess blob gas of the block after `parent` (EIP-4844, EIP-7918); `None` before Cancun.
    pub fn next_excess_blob_gas(&self, parent: &Header, timestamp: u64) -> Option<u64> {
        let params = self.blob_params(timestamp)?;
        let (excess, used) = (parent.excess_blob_gas.unwrap_or(0), parent.blob_gas_used.unwrap_or(0));
        Some(params.next_block_excess_blob_gas_osaka(excess, used, parent.base_fee_per_gas.unwrap_or(0)))
    }

    fn fork_keys(&self) -> impl Iterator<Item = ForkFilterKey> + '_ {
        let merge = self.genesis.config.merge_netsplit_block.map(ForkFilterKey::Block);
        self.forks
            .iter()
            .filter_map(|(_, _, at)| match at {
                // The last block that can be: never.
                ForkCondition::Block(u64::MAX) => None,
                ForkCondition::Block(number) => Some(ForkFilterKey::Block(*number)),
                ForkCondition::Timestamp(time) => Some(ForkFilterKey::Time(*time)),
                _ => None,
            })
            .chain(merge)
    }

    /// The filter that tells whether a peer's fork ID fits ours at this head.
    pub fn fork_filter(&self, genesis_hash: B256, number: u64, timestamp: u64) -> ForkFilter {
        let head = Head::new(number, B256::ZERO, U256::ZERO, U256::ZERO, timestamp);
        ForkFilter::new(head, genesis_hash, self.genesis.timestamp, self.fork_keys())
    }

    /// The fork ID at this head.
    pub fn fork_id(&self, genesis_hash: B256, number: u64, timestamp: u64) -> ForkId {
        self.fork_filter(genesis_hash, number, timestamp).current()
    }
}
