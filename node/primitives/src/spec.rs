//! The chain specification: everything that nodes of one network must share.

use crate::{GenesisError, SealedHeader, dialect, forks, genesis_state_root, known};
use alloy_consensus::Header;
use alloy_genesis::Genesis;
use alloy_hardforks::{EthereumHardfork as Fork, ForkCondition};
use alloy_primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// `config.ethash`: proof of work. Both extras are absent in files of public networks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EthashConfig {
    /// Bytes of the dataset in every epoch, for private chains; the cache is a 64th of it.
    pub dataset_size: Option<u64>,
    /// Seconds between blocks that the difficulty aims at, for private chains.
    pub block_time: Option<u64>,
    /// Difficulty that never changes (Besu's key).
    #[serde(rename = "fixeddifficulty")]
    pub fixed_difficulty: Option<u64>,
}

/// `config.clique` (EIP-225).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CliqueConfig {
    /// Seconds between blocks.
    #[serde(alias = "blockperiodseconds")]
    pub period: u64,
    /// Blocks between checkpoints.
    #[serde(alias = "epochlength")]
    pub epoch: u64,
}

impl Default for CliqueConfig {
    fn default() -> Self {
        Self { period: 15, epoch: 30_000 }
    }
}

/// `config.qbft` (Besu's keys).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", default)]
pub struct QbftConfig {
    /// Seconds between blocks.
    pub block_period_seconds: u64,
    /// Blocks between checkpoints.
    pub epoch_length: u64,
    /// Seconds until a round times out.
    pub request_timeout_seconds: u64,
}

impl Default for QbftConfig {
    fn default() -> Self {
        Self { block_period_seconds: 1, epoch_length: 30_000, request_timeout_seconds: 4 }
    }
}

/// Which consensus engine the genesis file selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineConfig {
    /// Proof of work.
    Ethash(EthashConfig),
    /// Proof of authority by EIP-225.
    Clique(CliqueConfig),
    /// Byzantine fault tolerant proof of authority.
    Qbft(QbftConfig),
    /// None: blocks come from a beacon chain, and can only be imported.
    Beacon,
}

/// What a genesis file says, read once and checked.
#[derive(Debug, Clone)]
pub struct ChainSpec {
    /// The file.
    pub genesis: Genesis,
    /// EIP-155 chain ID.
    pub chain_id: u64,
    /// Nodes with different network IDs never become peers.
    pub network_id: u64,
    /// The consensus engine.
    pub engine: EngineConfig,
    /// Accounts of the genesis file with storage but neither nonce nor code, each with a slot that is not zero: where
    /// nothing can be created (EIP-7610). Found once, because every block asks.
    pub bare_storage: Arc<[(Address, U256)]>,
    pub(crate) forks: Vec<(Fork, &'static str, ForkCondition)>,
}

impl ChainSpec {
    /// Reads geth's genesis JSON, and Besu's; `config.networkId` too.
    ///
    /// # Errors
    /// [`GenesisError`] names the field and the reason.
    pub fn from_json(text: &str) -> Result<Self, GenesisError> {
        let mut raw: Value = serde_json::from_str(text)?;
        let besu = dialect::to_geth(&mut raw);
        if !raw.get("config").is_some_and(Value::is_object) {
            if let Some(spec) = known::recognise(&raw) {
                return Ok(spec);
            }
            return Err(GenesisError::field("config", "is missing; it holds chainId, the forks and the engine"));
        }
        if besu {
            return Self::new(Genesis::deserialize(&raw)?, &raw["config"]);
        }
        // From the text, not from the value: only then do errors carry line and column.
        Self::new(serde_json::from_str(text)?, &raw["config"])
    }

    /// From a genesis already read; `config` is its `config` object as JSON, for the keys geth does not know.
    ///
    /// # Errors
    /// [`GenesisError::Field`] for a value no chain can start from.
    pub fn new(mut genesis: Genesis, config: &Value) -> Result<Self, GenesisError> {
        // Besu and geth read keys whatever their case, and files with this one exist.
        if let (None, Some(id)) = (config.get("chainId"), config.get("chainID")) {
            let found = || GenesisError::field("config.chainID", format!("{id} is not a positive integer"));
            genesis.config.chain_id = id.as_u64().ok_or_else(found)?;
        }
        let forks = forks::conditions(&genesis.config);
        forks::check_order(&forks)?;
        let engine = engine(config, &genesis)?;
        let chain_id = genesis.config.chain_id;
        if chain_id == 0 {
            return Err(GenesisError::field("config.chainId", "must be at least 1"));
        }
        // Without a word about an engine the file is of a chain to read, not to seal; test networks go to the edge there.
        let seals = ["ethash", "clique", "qbft"].iter().any(|key| config.get(key).is_some());
        if genesis.gas_limit < 5000 && seals {
            return Err(GenesisError::field("gasLimit", format!("is {}; the least is 5000", genesis.gas_limit)));
        }
        // A chain that is past the merge from its genesis block on never works.
        let never_works = genesis.config.terminal_total_difficulty.is_some_and(|total| total.is_zero());
        if matches!(engine, EngineConfig::Ethash(_)) && genesis.difficulty.is_zero() && !never_works {
            return Err(GenesisError::field("difficulty", "is 0; proof of work needs at least 1"));
        }
        let network_id = match config.get("networkId") {
            None | Some(Value::Null) => chain_id,
            Some(value) => value
                .as_u64()
                .filter(|id| *id > 0)
                .ok_or_else(|| GenesisError::field("config.networkId", format!("{value} is not a positive integer")))?,
        };
        let bare_storage = bare_storage(&genesis);
        Ok(Self { genesis, chain_id, network_id, engine, bare_storage, forks })
    }

    /// The genesis block's header.
    pub fn genesis_header(&self) -> SealedHeader {
        let genesis = &self.genesis;
        let (number, time) = (genesis.number.unwrap_or(0), genesis.timestamp);
        let active = |fork| self.is_active(fork, number, time);
        let london = active(Fork::London);
        let cancun = active(Fork::Cancun);
        SealedHeader::new(Header {
            parent_hash: genesis.parent_hash.unwrap_or_default(),
            ommers_hash: alloy_consensus::EMPTY_OMMER_ROOT_HASH,
            beneficiary: genesis.coinbase,
            state_root: genesis_state_root(genesis),
            transactions_root: alloy_consensus::constants::EMPTY_TRANSACTIONS,
            receipts_root: alloy_consensus::constants::EMPTY_RECEIPTS,
            difficulty: genesis.difficulty,
            number,
            gas_limit: genesis.gas_limit,
            timestamp: time,
            extra_data: genesis.extra_data.clone(),
            mix_hash: genesis.mix_hash,
            nonce: genesis.nonce.into(),
            base_fee_per_gas: london.then(|| {
                genesis
                    .base_fee_per_gas
                    .map_or(alloy_eips::eip1559::INITIAL_BASE_FEE, |fee| u64::try_from(fee).unwrap_or(u64::MAX))
            }),
            withdrawals_root: active(Fork::Shanghai).then_some(alloy_consensus::constants::EMPTY_WITHDRAWALS),
            parent_beacon_block_root: cancun.then_some(B256::ZERO),
            blob_gas_used: cancun.then(|| genesis.blob_gas_used.unwrap_or(0)),
            excess_blob_gas: cancun.then(|| genesis.excess_blob_gas.unwrap_or(0)),
            requests_hash: active(Fork::Prague).then_some(alloy_eips::eip7685::EMPTY_REQUESTS_HASH),
            ..Header::default()
        })
    }

    /// Total difficulty from which blocks belong to a beacon chain (EIP-3675).
    pub fn terminal_total_difficulty(&self) -> Option<U256> {
        self.genesis.config.terminal_total_difficulty
    }
}

fn bare_storage(genesis: &Genesis) -> Arc<[(Address, U256)]> {
    let bare = genesis.alloc.iter().filter(|(_, account)| {
        account.nonce.unwrap_or_default() == 0 && account.code.as_ref().is_none_or(|code| code.is_empty())
    });
    let with_slot = bare.filter_map(|(address, account)| {
        let (slot, _) = account.storage.iter().flatten().find(|(_, value)| !value.is_zero())?;
        Some((*address, (*slot).into()))
    });
    with_slot.collect()
}

fn engine(config: &Value, genesis: &Genesis) -> Result<EngineConfig, GenesisError> {
    let read = |key: &str| config.get(key).filter(|value| !value.is_null());
    fn parse<T: serde::de::DeserializeOwned>(key: &str, value: &Value) -> Result<T, GenesisError> {
        serde_json::from_value(value.clone())
            .map_err(|err| GenesisError::field(format!("config.{key}"), err.to_string()))
    }
    let present: Vec<&str> = ["ethash", "clique", "qbft"].into_iter().filter(|key| read(key).is_some()).collect();
    if present.len() > 1 {
        let reason = format!("selects several engines ({}); keep one", present.join(", "));
        return Err(GenesisError::field("config", reason));
    }
    if let Some(other) = ["ibft", "ibft2"].into_iter().find(|key| read(key).is_some()).filter(|_| present.is_empty()) {
        let reason = "is an engine that Atoll does not know; it knows ethash, clique and qbft";
        return Err(GenesisError::field(format!("config.{other}"), reason));
    }
    // Test networks that begin after the merge name the engine of before all the same.
    let merged = genesis.config.terminal_total_difficulty.is_some_and(|terminal| terminal.is_zero());
    if merged && genesis.difficulty.is_zero() && read("ethash").is_some() {
        return Ok(EngineConfig::Beacon);
    }
    if let Some(value) = read("ethash") {
        let ethash: EthashConfig = parse("ethash", value)?;
        if ethash.block_time == Some(0) {
            return Err(GenesisError::field("config.ethash.blockTime", "must be at least 1 second"));
        }
        if let Some(size) = ethash.dataset_size.filter(|size| *size < 65_536 || *size > 1 << 32) {
            let reason = format!("is {size}; use 65536 (64 KiB) to 4294967296 (4 GiB) bytes");
            return Err(GenesisError::field("config.ethash.datasetSize", reason));
        }
        return Ok(EngineConfig::Ethash(ethash));
    }
    if let Some(value) = read("clique") {
        return Ok(EngineConfig::Clique(parse("clique", value)?));
    }
    if let Some(value) = read("qbft") {
        return Ok(EngineConfig::Qbft(parse("qbft", value)?));
    }
    // geth's test genesis files often name no engine: proof of work, unless the merge came first.
    Ok(if merged { EngineConfig::Beacon } else { EngineConfig::Ethash(EthashConfig::default()) })
}
