//! Settings out of range.

use crate::support::*;
use atoll_miner::{Miner, MinerConfig, MinerError};
use atoll_primitives::{Bytes, ChainSpec};
use std::sync::Arc;

fn refused(config: MinerConfig) -> MinerError {
    let node = Node::new(&quick(), MinerConfig { mining: false, ..MinerConfig::default() });
    Miner::start(node.chain.clone(), node.pool.clone(), config).unwrap_err()
}

#[test]
fn a_share_outside_zero_to_one_is_refused() {
    for cpu_share in [0.0, -1.0, 1.5, f64::NAN] {
        assert!(matches!(refused(MinerConfig { cpu_share, ..config() }), MinerError::CpuShare { .. }));
    }
}

#[test]
fn extra_data_longer_than_a_header_takes_is_refused() {
    let extra_data = Bytes::from(vec![1; 33]);
    let error = refused(MinerConfig { extra_data: extra_data.clone(), ..config() });
    assert!(matches!(error, MinerError::ExtraData { found: 33, max: 32 }));
    let node = Node::new(&quick(), MinerConfig { mining: false, ..config() });
    assert!(matches!(node.miner.set_extra(extra_data), Err(MinerError::ExtraData { .. })));
}

#[test]
fn nothing_is_mined_without_a_sealer() {
    let genesis = r#"{
        "config": {"chainId": 9, "terminalTotalDifficulty": 0, "londonBlock": 0, "berlinBlock": 0, "istanbulBlock": 0,
            "constantinopleBlock": 0, "byzantiumBlock": 0, "eip158Block": 0, "eip150Block": 0, "homesteadBlock": 0},
        "difficulty": "0x0", "gasLimit": "0x1c9c380", "alloc": {}
    }"#;
    let spec = Arc::new(ChainSpec::from_json(genesis).unwrap());
    let node = Node::new(&spec, MinerConfig { mining: false, ..config() });
    assert!(matches!(node.miner.start(), Err(MinerError::Engine(_))));
    assert!(matches!(node.miner.pending_block(), Err(MinerError::Engine(_))));
    let mining = Miner::start(node.chain.clone(), node.pool.clone(), config());
    assert!(matches!(mining, Err(MinerError::Engine(_))));
}
