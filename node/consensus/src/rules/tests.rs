//! Each header rule broken alone, against the variant it must give.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::{Engine, engine};
use atoll_primitives::{B256, Bytes, HeaderReader, U256};
use serde_json::{Value, json};
use std::sync::Arc;

struct NoAncestors;

impl HeaderReader for NoAncestors {
    fn header(&self, _: &B256) -> Option<Header> {
        None
    }

    fn ommers(&self, _: &B256) -> Option<Vec<Header>> {
        None
    }
}

fn config(newest: &str) -> Value {
    let mut config = json!({"chainId": 7, "ethash": {"blockTime": 2, "datasetSize": 65536}});
    let blocks = [
        "homesteadBlock",
        "eip150Block",
        "eip158Block",
        "byzantiumBlock",
        "constantinopleBlock",
        "istanbulBlock",
        "berlinBlock",
        "londonBlock",
    ];
    for key in blocks {
        config[key] = json!(0);
    }
    for key in ["shanghaiTime", "cancunTime", "pragueTime", "osakaTime"] {
        if newest == "london" {
            break;
        }
        config[key] = json!(0);
        if key.starts_with(newest) {
            break;
        }
    }
    config
}

fn spec(config: &Value) -> Arc<ChainSpec> {
    let genesis = json!({
        "config": config, "difficulty": "0x400", "gasLimit": "0x1c9c380", "timestamp": "0x3e8", "alloc": {},
    });
    Arc::new(ChainSpec::from_json(&genesis.to_string()).unwrap())
}

/// A valid child of the genesis block, 2 s after it.
fn child(spec: &Arc<ChainSpec>, engine: &dyn Engine) -> Header {
    let mut header = Header { gas_limit: 30_000_000, ..Header::default() };
    engine.prepare(&mut header, &spec.genesis_header(), &NoAncestors, 1_002).unwrap();
    header
}

/// What verifying gives after `change`, on a chain with this configuration, 2 s after genesis.
fn verdict(config: &Value, change: impl FnOnce(&mut Header)) -> Result<(), ConsensusError> {
    let spec = spec(config);
    let engine = engine(Arc::clone(&spec)).unwrap();
    let mut header = child(&spec, &*engine);
    change(&mut header);
    engine.verify_header(&header, &spec.genesis_header(), &NoAncestors, 1_002)
}

#[test]
fn a_prepared_header_passes_on_every_fork() {
    for newest in ["london", "shanghai", "cancun", "prague", "osaka"] {
        assert_eq!(verdict(&config(newest), |_| {}), Ok(()), "{newest}");
    }
}

type Case = (&'static str, fn(&mut Header), fn(&ConsensusError) -> bool);

macro_rules! gives {
    ($variant:ident) => {
        |error| matches!(error, ConsensusError::$variant { .. })
    };
    ($variant:ident, $field:literal) => {
        |error| matches!(error, ConsensusError::$variant { field } if *field == $field)
    };
}

const CASES: &[Case] = &[
    ("parent hash", |h| h.parent_hash = B256::ZERO, gives!(ParentHash)),
    ("number", |h| h.number = 2, gives!(Number)),
    ("timestamp", |h| h.timestamp = 1_000, gives!(Timestamp)),
    ("future", |h| h.timestamp = 1_018, gives!(Future)),
    ("extra data", |h| h.extra_data = Bytes::from(vec![0; 33]), gives!(ExtraData)),
    ("gas limit minimum", |h| h.gas_limit = 4_999, gives!(GasLimitTooLow)),
    ("gas limit maximum", |h| h.gas_limit = 1 << 63, gives!(GasLimitTooHigh)),
    ("gas limit up", |h| h.gas_limit = 30_000_000 + 30_000_000 / 1_024, gives!(GasLimitStep)),
    ("gas limit down", |h| h.gas_limit = 30_000_000 - 30_000_000 / 1_024, gives!(GasLimitStep)),
    ("gas used", |h| h.gas_used = h.gas_limit + 1, gives!(GasUsed)),
    ("difficulty", |h| h.difficulty += U256::ONE, gives!(Difficulty)),
    ("base fee", |h| h.base_fee_per_gas = Some(1), gives!(BaseFee)),
    ("no base fee", |h| h.base_fee_per_gas = None, gives!(FieldMissing, "baseFeePerGas")),
    ("no withdrawals root", |h| h.withdrawals_root = None, gives!(FieldMissing, "withdrawalsRoot")),
    ("no blob gas used", |h| h.blob_gas_used = None, gives!(FieldMissing, "blobGasUsed")),
    ("no excess blob gas", |h| h.excess_blob_gas = None, gives!(FieldMissing, "excessBlobGas")),
    ("blob gas beyond the most", |h| h.blob_gas_used = Some(131_072 * 10), gives!(BlobGasUsed)),
    ("blob gas of half a blob", |h| h.blob_gas_used = Some(65_536), gives!(BlobGasMultiple)),
    ("excess blob gas", |h| h.excess_blob_gas = Some(131_072), gives!(ExcessBlobGas)),
    ("no beacon root", |h| h.parent_beacon_block_root = None, gives!(FieldMissing, "parentBeaconBlockRoot")),
    ("a beacon root", |h| h.parent_beacon_block_root = Some(B256::repeat_byte(1)), gives!(ParentBeaconRoot)),
    ("no requests hash", |h| h.requests_hash = None, gives!(FieldMissing, "requestsHash")),
    ("access list hash", |h| h.block_access_list_hash = Some(B256::ZERO), gives!(FieldTooEarly, "blockAccessListHash")),
];

#[test]
fn every_rule_gives_its_own_error() {
    for (name, change, expected) in CASES {
        let error = verdict(&config("prague"), change).expect_err(name);
        assert!(expected(&error), "{name}: {error}");
        assert_eq!(error.is_fault(), *name != "future", "{name}");
    }
}

#[test]
fn fifteen_seconds_ahead_are_tolerated() {
    // The difficulty is at its floor here, so the later timestamp changes nothing else.
    assert_eq!(verdict(&config("london"), |header| header.timestamp = 1_002 + FUTURE_TOLERANCE), Ok(()));
}

#[test]
fn fields_before_their_fork_are_refused() {
    let cases: &[Case] = &[
        ("withdrawals root", |h| h.withdrawals_root = Some(B256::ZERO), gives!(FieldTooEarly, "withdrawalsRoot")),
        ("blob gas", |h| h.blob_gas_used = Some(0), gives!(FieldTooEarly, "blobGasUsed")),
        ("excess", |h| h.excess_blob_gas = Some(0), gives!(FieldTooEarly, "excessBlobGas")),
        ("root", |h| h.parent_beacon_block_root = Some(B256::ZERO), gives!(FieldTooEarly, "parentBeaconBlockRoot")),
        ("requests", |h| h.requests_hash = Some(B256::ZERO), gives!(FieldTooEarly, "requestsHash")),
    ];
    for (name, change, expected) in cases {
        let error = verdict(&config("london"), change).expect_err(name);
        assert!(expected(&error), "{name}: {error}");
    }
}

#[test]
fn the_gas_limit_doubles_at_the_london_fork() {
    let mut config = config("london");
    config["londonBlock"] = json!(1);
    assert_eq!(verdict(&config, |header| header.gas_limit = 60_000_000), Ok(()));
    let error = verdict(&config, |header| header.gas_limit = 30_000_000).unwrap_err();
    assert!(matches!(error, ConsensusError::GasLimitStep { parent: 60_000_000, .. }), "{error}");
}

#[test]
fn the_dao_mark_is_required_or_refused() {
    let mut config = config("london");
    config["daoForkBlock"] = json!(0);
    config["daoForkSupport"] = json!(true);
    assert_eq!(verdict(&config, |_| {}), Ok(()));
    let error = verdict(&config, |header| header.extra_data = Bytes::new()).unwrap_err();
    assert!(matches!(error, ConsensusError::DaoExtraData { .. }), "{error}");
    config["daoForkSupport"] = json!(false);
    let marked = |header: &mut Header| header.extra_data = Bytes::from_static(b"dao-hard-fork");
    assert_eq!(verdict(&config, marked), Err(ConsensusError::DaoRefused { number: 1 }));
}

#[test]
fn merged_headers_have_no_work_nonce_or_ommers() {
    let mut config = config("prague");
    config["terminalTotalDifficulty"] = json!(1_024);
    let merged = |header: &mut Header| header.difficulty = U256::ZERO;
    assert_eq!(verdict(&config, merged), Ok(()));
    let error = verdict(&config, |header| {
        merged(header);
        header.nonce = 1u64.into();
    });
    assert!(matches!(error, Err(ConsensusError::MergedNonce { .. })), "{error:?}");
    let error = verdict(&config, |header| {
        merged(header);
        header.ommers_hash = B256::ZERO;
    });
    assert!(matches!(error, Err(ConsensusError::MergedOmmers { .. })), "{error:?}");
}

#[test]
fn the_merge_happens_at_the_terminal_total_difficulty() {
    let mut config = config("prague");
    config["terminalTotalDifficulty"] = json!(1_024);
    let spec = spec(&config);
    let engine = engine(Arc::clone(&spec)).unwrap();
    let (parent, work) = (spec.genesis_header(), child(&spec, &*engine));
    let merged = Header { difficulty: U256::ZERO, ..work.clone() };
    let at = |header, total: u64| engine.verify_transition(header, &parent, U256::from(total));
    assert_eq!(at(&work, 1_023), Ok(()));
    assert_eq!(at(&work, 1_024), Err(ConsensusError::WorkAfterMerge { number: 1 }));
    assert_eq!(at(&merged, 1_024), Ok(()));
    assert!(matches!(at(&merged, 1_023), Err(ConsensusError::MergedTooEarly { .. })));
}

#[test]
fn engines_to_come_are_refused_by_name() {
    for name in ["clique", "qbft"] {
        let mut config = json!({"chainId": 7});
        config[name] = json!({});
        let error = engine(spec(&config)).err().unwrap();
        assert_eq!(error, ConsensusError::UnsupportedEngine { name });
    }
}

#[test]
fn a_prepared_payload_passes_on_a_merged_parent_only() {
    let mut config = config("osaka");
    config["terminalTotalDifficulty"] = json!(0);
    config.as_object_mut().unwrap().remove("ethash");
    let genesis = json!({
        "config": config, "difficulty": "0x0", "gasLimit": "0x1c9c380", "timestamp": "0x3e8", "alloc": {},
    });
    let merged = Arc::new(ChainSpec::from_json(&genesis.to_string()).unwrap());
    let (parent, engine) = (merged.genesis_header(), engine(Arc::clone(&merged)).unwrap());
    let mut header = Header { timestamp: 1_012, gas_limit: 1, ..Header::default() };
    engine.prepare_payload(&mut header, &parent).unwrap();
    assert_eq!(header.gas_limit, 30_000_000 - 30_000_000 / 1_024 + 1);
    assert_eq!(engine.verify_header(&header, &parent, &NoAncestors, 1_012), Ok(()));
    let early = Header { timestamp: 1_000, ..Header::default() };
    let error = engine.prepare_payload(&mut early.clone(), &parent).unwrap_err();
    assert!(matches!(error, ConsensusError::Timestamp { found: 1_000, parent: 1_000 }), "{error}");

    let work = spec(&self::config("osaka"));
    let engine = crate::engine(Arc::clone(&work)).unwrap();
    let error = engine.prepare_payload(&mut header, &work.genesis_header()).unwrap_err();
    assert!(matches!(error, ConsensusError::NotMerged { number: 1 }), "{error}");
}
