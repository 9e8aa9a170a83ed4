//! `eth_config` (EIP-7910): which fork is active, which comes next, which is the last one scheduled.

use crate::RpcError;
use atoll_primitives::{
    Address, B256, ChainSpec, ForkCondition, Hardfork,
    eips::eip7910::{EthConfig, EthForkConfig, SystemContract},
};
use std::collections::BTreeMap;

/// Forks the answer can describe: the format starts with Cancun.
const FORKS: [Hardfork; 8] = [
    Hardfork::Cancun,
    Hardfork::Prague,
    Hardfork::Osaka,
    Hardfork::Bpo1,
    Hardfork::Bpo2,
    Hardfork::Bpo3,
    Hardfork::Bpo4,
    Hardfork::Bpo5,
];

/// Precompiles by address, with the fork that brought them from Cancun on.
const PRECOMPILES: [(u16, &str, Hardfork); 18] = [
    (0x01, "ECREC", Hardfork::Cancun),
    (0x02, "SHA256", Hardfork::Cancun),
    (0x03, "RIPEMD160", Hardfork::Cancun),
    (0x04, "ID", Hardfork::Cancun),
    (0x05, "MODEXP", Hardfork::Cancun),
    (0x06, "BN254_ADD", Hardfork::Cancun),
    (0x07, "BN254_MUL", Hardfork::Cancun),
    (0x08, "BN254_PAIRING", Hardfork::Cancun),
    (0x09, "BLAKE2F", Hardfork::Cancun),
    (0x0a, "KZG_POINT_EVALUATION", Hardfork::Cancun),
    (0x0b, "BLS12_G1ADD", Hardfork::Prague),
    (0x0c, "BLS12_G1MSM", Hardfork::Prague),
    (0x0d, "BLS12_G2ADD", Hardfork::Prague),
    (0x0e, "BLS12_G2MSM", Hardfork::Prague),
    (0x0f, "BLS12_PAIRING_CHECK", Hardfork::Prague),
    (0x10, "BLS12_MAP_FP_TO_G1", Hardfork::Prague),
    (0x11, "BLS12_MAP_FP2_TO_G2", Hardfork::Prague),
    (0x100, "P256VERIFY", Hardfork::Osaka),
];

/// The answer at the head's timestamp.
pub(super) fn chain_config(spec: &ChainSpec, genesis: B256, now: u64) -> Result<EthConfig, RpcError> {
    let mut times: Vec<u64> = FORKS.iter().filter_map(|fork| activation(spec, *fork)).collect();
    times.sort_unstable();
    times.dedup();
    let active = times.iter().rposition(|time| *time <= now);
    let active = active.ok_or(RpcError::Internal("eth_config describes Cancun and later, which is not active"))?;
    let at = |index: usize| times.get(index).and_then(|time| fork_config(spec, genesis, *time));
    let current = at(active).ok_or(RpcError::Internal("the active fork has no blob schedule"))?;
    let next = at(active + 1);
    let last = if next.is_some() { at(times.len() - 1) } else { None };
    Ok(EthConfig { current, next, last })
}

/// When a fork starts; those active at genesis start at zero.
fn activation(spec: &ChainSpec, fork: Hardfork) -> Option<u64> {
    match spec.condition(fork) {
        ForkCondition::Timestamp(time) if time <= spec.genesis.timestamp => Some(0),
        ForkCondition::Timestamp(time) => Some(time),
        _ => None,
    }
}

fn fork_config(spec: &ChainSpec, genesis: B256, time: u64) -> Option<EthForkConfig> {
    let at = time.max(spec.genesis.timestamp);
    let active = |fork: Hardfork| spec.condition(fork).active_at_timestamp(at);
    let precompiles = PRECOMPILES.iter().filter(|(.., since)| active(*since));
    let mut system_contracts = BTreeMap::from(SystemContract::cancun());
    if active(Hardfork::Prague) {
        system_contracts.extend(SystemContract::prague(spec.genesis.config.deposit_contract_address));
    }
    Some(EthForkConfig {
        activation_time: time,
        blob_schedule: spec.blob_params(at)?,
        chain_id: spec.chain_id,
        fork_id: spec.fork_id(genesis, u64::MAX, at).hash.0.into(),
        precompiles: precompiles.map(|(address, name, _)| ((*name).to_owned(), precompile(*address))).collect(),
        system_contracts,
    })
}

fn precompile(number: u16) -> Address {
    Address::left_padding_from(&number.to_be_bytes())
}
