//! From a chain specification and a header to revm's configuration and block environment.

use crate::evm::constantinople_gas;
use alloy_evm::EvmEnv;
use atoll_primitives::{B256, ChainSpec, EngineConfig, Hardfork, Header, U256};
use revm::{
    context::{BlockEnv, CfgEnv},
    context_interface::block::BlobExcessGasAndPrice,
    primitives::hardfork::SpecId,
};

/// revm's name for the rules of a fork. Forks that change no EVM rule map to the one before them.
pub fn spec_id(fork: Hardfork) -> SpecId {
    match fork {
        Hardfork::Frontier => SpecId::FRONTIER,
        Hardfork::Homestead | Hardfork::Dao => SpecId::HOMESTEAD,
        Hardfork::Tangerine => SpecId::TANGERINE,
        Hardfork::SpuriousDragon => SpecId::SPURIOUS_DRAGON,
        Hardfork::Byzantium => SpecId::BYZANTIUM,
        // Constantinople differs from Petersburg in SSTORE alone, see `evm`.
        Hardfork::Constantinople | Hardfork::Petersburg => SpecId::PETERSBURG,
        Hardfork::Istanbul | Hardfork::MuirGlacier => SpecId::ISTANBUL,
        Hardfork::Berlin => SpecId::BERLIN,
        Hardfork::London | Hardfork::ArrowGlacier | Hardfork::GrayGlacier => SpecId::LONDON,
        Hardfork::Paris => SpecId::MERGE,
        Hardfork::Shanghai => SpecId::SHANGHAI,
        Hardfork::Cancun => SpecId::CANCUN,
        Hardfork::Prague => SpecId::PRAGUE,
        // Osaka and the forks that only change blob parameters.
        _ => SpecId::OSAKA,
    }
}

/// The environment of a block: rules of its fork, its header's values, the blob price its header implies.
///
/// `PREVRANDAO` is the header's mix hash from Paris's rules on, also on chains that never merged and whose
/// headers keep their difficulty; before, the opcode is `DIFFICULTY`.
pub fn evm_env(spec: &ChainSpec, header: &Header) -> EvmEnv {
    let fork = spec.hardfork(header);
    let id = spec_id(fork);
    let mut cfg = CfgEnv::new_with_spec(id).with_chain_id(spec.chain_id);
    if fork == Hardfork::Constantinople {
        cfg.set_gas_params(constantinople_gas());
    }
    let blob_params = spec.blob_params(header.timestamp);
    if let Some(params) = &blob_params {
        cfg.set_max_blobs_per_tx(params.max_blobs_per_tx);
    }
    let blob_excess_gas_and_price = header.excess_blob_gas.zip(blob_params).map(|(excess_blob_gas, params)| {
        BlobExcessGasAndPrice { excess_blob_gas, blob_gasprice: params.calc_blob_fee(excess_blob_gas) }
    });
    let block = BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or_default(),
        difficulty: header.difficulty,
        prevrandao: id.is_enabled_in(SpecId::MERGE).then(|| prevrandao(spec, header)),
        blob_excess_gas_and_price,
        ..BlockEnv::default()
    };
    EvmEnv::new(cfg, block)
}

/// What opcode 0x44 gives from the merge's rules on: the header's mixHash, except under proof of work. There mixHash
/// is part of the seal, which is searched only after the block has been executed; the opcode keeps its older
/// meaning, the difficulty, by which EIP-4399 lets contracts tell the two apart.
fn prevrandao(spec: &ChainSpec, header: &Header) -> B256 {
    let proof_of_work = matches!(spec.engine, EngineConfig::Ethash(_)) && !header.difficulty.is_zero();
    if proof_of_work { header.difficulty.into() } else { header.mix_hash }
}
