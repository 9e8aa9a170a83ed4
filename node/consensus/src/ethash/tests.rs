//! The algorithm against published vectors, seals of mainnet blocks, the sealer's steps.
#![allow(clippy::unwrap_used)]

use super::{caches::Epochs, seal, sealer::EthashSealer, sizes::Sizes, *};
use crate::{ConsensusError, Engine, Sealer, SealerInput, SealerOutput};
use atoll_primitives::{
    B64, B256, ChainSpec, EthashConfig, Header, HeaderReader, U256, b256, hex, keccak256, rlp::Decodable,
};
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

/// Header of mainnet's block 1.
fn mainnet_block_1() -> Header {
    let zeros = "00".repeat(256);
    let text = [
        "f90211a0d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3a01dcc4de8dec75d7aab85b567b6ccd41ad312451",
        "b948a7413f0a142fd40d493479405a56e2d52c817161883f50c441c3228cfe54d9fa0d67e4d450343046425ae4271474353857ab860dbc0a1",
        "dde64b41b5cd3a532bf3a056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421a056e81f171bcc55a6ff8345e69",
        "2c0f86e5b48e01b996cadc001622fb5e363b421b90100",
        &zeros,
        "8503ff80000001821388808455ba422499476574682f76312e302e302f6c696e75782f676f312e342e32a0969b900de27b6ac6a67742365dd",
        "65f55a0526c41fd18e1b16f1a1215c2e66f5988539bd4979fef1ec4",
    ]
    .concat();
    Header::decode(&mut hex::decode(text).unwrap().as_slice()).unwrap()
}

fn engine(config: EthashConfig) -> Ethash {
    let genesis = r#"{"config": {"chainId": 1}, "difficulty": "0x400", "gasLimit": "0x1388", "alloc": {}}"#;
    Ethash::new(Arc::new(ChainSpec::from_json(genesis).unwrap()), config)
}

#[test]
fn sizes_of_the_first_epochs() {
    // Appendix tables of the ethash specification; epoch 10 from besu's tests.
    assert_eq!([0, 1, 10].map(cache_size), [16_776_896, 16_907_456, 18_087_488]);
    assert_eq!([0, 1, 10].map(dataset_size), [1_073_739_904, 1_082_130_304, 1_157_627_776]);
    assert_eq!([0, 29_999, 30_000].map(epoch), [Some(0), Some(0), Some(1)]);
    assert_eq!(epoch(u64::MAX), None);
}

#[test]
fn seeds_are_repeated_hashes() {
    assert_eq!(seed_hash(0), B256::ZERO);
    assert_eq!(seed_hash(2), keccak256(keccak256(B256::ZERO)));
}

#[test]
fn private_sizes_fit_what_was_asked() {
    for asked in [65_536, 1 << 20, 16 << 20, 1 << 32] {
        let Sizes { cache, dataset } = Sizes::private(asked);
        assert!(dataset <= asked && dataset * 10 > asked * 9, "{dataset} of {asked}");
        assert!(cache <= asked / 64 && cache >= 13 * 64, "{cache} of {asked}");
    }
}

#[test]
fn hashimoto_of_geths_test_sizes() {
    let cache = Cache::build(&B256::ZERO, 1_024, 32_768);
    let bytes = cache.to_bytes();
    assert_eq!(bytes.len(), 1_024);
    assert_eq!(bytes[..8], hex!("7ce2991c951f7bf4"));
    assert_eq!(bytes[1_016..], hex!("c1e84f8e2f07731c"));
    let dataset = Dataset::build(&cache);
    assert_eq!(dataset.to_bytes()[..8], hex!("4bc09fbd530a041d"));
    let header = b256!("c9149cc0386e689d789a1c2f3d5d169a61a6218ed30e74414dc736e442ef3d1f");
    let expected = Hashimoto {
        mix_hash: b256!("e4073cffaef931d37117cefd9afd27ea0f1cad6a981dd2605c4a1ac97c519800"),
        value: b256!("d3539235ee2e6f8db665c0a72169f55b7f6c605712330b778ec3944f0eb5a557"),
    };
    assert_eq!(hashimoto_light(&cache, &header, 0), expected);
    assert_eq!(hashimoto_full(&dataset, &header, 0), expected);
}

#[test]
fn the_seal_of_mainnets_first_block() {
    let (engine, header) = (engine(EthashConfig::default()), mainnet_block_1());
    assert_eq!(engine.verify_seal(&header, &NoAncestors), Ok(()));
    let nonce = Header { nonce: 7u64.into(), ..header.clone() };
    assert!(matches!(engine.verify_seal(&nonce, &NoAncestors), Err(ConsensusError::MixHash { .. })));
    let mix_hash = Header { mix_hash: B256::ZERO, ..header.clone() };
    assert!(matches!(engine.verify_seal(&mix_hash, &NoAncestors), Err(ConsensusError::MixHash { .. })));
    let none = Header { difficulty: U256::ZERO, ..header };
    assert_eq!(engine.verify_seal(&none, &NoAncestors), Err(ConsensusError::ZeroDifficulty));
}

#[test]
fn many_seals_are_judged_like_each_alone() {
    // Not a multiple of what is done at once, over two epochs, good and bad, with a header that has no target.
    let standard = engine(EthashConfig::default());
    let good = mainnet_block_1();
    let mut headers = vec![good; 27];
    headers[1].nonce = 7u64.into();
    headers[4].difficulty = U256::ZERO;
    headers[6].mix_hash = B256::ZERO;
    headers[9].number = 30_000;
    headers[25].nonce = 8u64.into();
    let alone: Vec<_> = headers.iter().map(|header| standard.verify_seal(header, &NoAncestors)).collect();
    assert_eq!(standard.verify_seals(&headers.iter().collect::<Vec<_>>(), &NoAncestors), alone);
    let good: Vec<usize> = (0..alone.len()).filter(|index| alone[*index].is_ok()).collect();
    let bad = [1, 4, 6, 9, 25];
    assert_eq!(good, (0..27).filter(|index| !bad.contains(index)).collect::<Vec<_>>());
}

#[test]
fn light_and_full_agree_wherever_the_dataset_ends() {
    // Row counts that do and do not fill the last group of rows computed together.
    for pairs in [1, 2, 15, 16, 17, 127] {
        let cache = Cache::build(&B256::ZERO, 1_024, 128 * pairs);
        let dataset = Dataset::build(&cache);
        assert_eq!(dataset.to_bytes().len() as u64, 128 * pairs);
        let seals: Vec<(B256, u64)> = (0..23).map(|nonce| (keccak256([nonce]), u64::from(nonce))).collect();
        let full: Vec<_> = seals.iter().map(|(hash, nonce)| hashimoto_full(&dataset, hash, *nonce)).collect();
        let light: Vec<_> = seals.iter().map(|(hash, nonce)| hashimoto_light(&cache, hash, *nonce)).collect();
        assert_eq!(full, light);
        assert_eq!(hashimoto_light_many(&cache, &seals), light);
    }
}

#[test]
fn targets_divide_two_to_the_256() {
    assert_eq!(seal::target(U256::ZERO), None);
    assert_eq!(seal::target(U256::from(1)), Some(U256::MAX));
    assert_eq!(seal::target(U256::from(2)), Some(U256::from(1) << 255));
    assert_eq!(seal::target(U256::from(3)), Some(U256::MAX / U256::from(3)));
}

fn header(difficulty: u64, timestamp: u64) -> Box<Header> {
    Box::new(Header { number: 1, difficulty: U256::from(difficulty), timestamp, ..Header::default() })
}

#[test]
fn a_found_seal_verifies_and_a_weak_one_does_not() {
    let engine = engine(EthashConfig { dataset_size: Some(65_536), ..EthashConfig::default() });
    let mut sealer = engine.sealer().unwrap();
    let outputs = sealer.step(SealerInput::Work { header: header(64, 10) }, 10);
    let [SealerOutput::Search(job)] = outputs.as_slice() else { panic!("{outputs:?}") };
    let found = job.searcher().search(u64::MAX - 5, 100_000).unwrap();
    let Solution { nonce, mix_hash, seal_hash } = found;
    let outputs = sealer.step(SealerInput::Solution { nonce, mix_hash, seal_hash }, 11);
    let [SealerOutput::StopSearch, SealerOutput::Sealed(sealed)] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert_eq!(engine.verify_seal(sealed, &NoAncestors), Ok(()));

    let easier = (0..u64::MAX).map(|nonce| Header { nonce: nonce.into(), ..(**sealed).clone() });
    let weak = easier.map(|header| engine.verify_seal(&header, &NoAncestors)).find_map(|verdict| match verdict {
        Err(ConsensusError::MixHash { expected, .. }) => Some(expected),
        _ => None,
    });
    let weak = Header { mix_hash: weak.unwrap(), nonce: B64::ZERO, ..(**sealed).clone() };
    assert!(matches!(engine.verify_seal(&weak, &NoAncestors), Err(ConsensusError::InsufficientWork { .. })));
}

fn sealer() -> EthashSealer {
    EthashSealer::new(Arc::new(Epochs::new(Some(65_536))))
}

fn search(outputs: &[SealerOutput]) -> B256 {
    match outputs {
        [SealerOutput::Search(job)] => job.seal_hash,
        other => panic!("{other:?}"),
    }
}

#[test]
fn new_work_replaces_the_old_whose_solution_is_ignored() {
    let mut sealer = sealer();
    let old = search(&sealer.step(SealerInput::Work { header: header(64, 10) }, 10));
    let new = search(&sealer.step(SealerInput::Work { header: header(64, 11) }, 11));
    let solution = |seal_hash| SealerInput::Solution { nonce: B64::ZERO, mix_hash: B256::ZERO, seal_hash };
    assert!(sealer.step(solution(old), 11).is_empty());
    assert!(matches!(
        sealer.step(solution(new), 11).as_slice(),
        [SealerOutput::StopSearch, SealerOutput::Sealed(header)] if header.timestamp == 11
    ));
    assert!(sealer.step(solution(new), 11).is_empty(), "a header is sealed once");
}

#[test]
fn a_header_ahead_of_the_clock_waits() {
    let mut sealer = sealer();
    assert!(sealer.step(SealerInput::Work { header: header(64, 100) }, 99).is_empty());
    assert!(sealer.step(SealerInput::Tick, 99).is_empty());
    search(&sealer.step(SealerInput::Tick, 100));
    assert!(sealer.step(SealerInput::Tick, 101).is_empty(), "the search goes on by itself");
}

#[test]
fn cancelled_work_is_over() {
    let mut sealer = sealer();
    let hash = search(&sealer.step(SealerInput::Work { header: header(64, 10) }, 10));
    assert!(matches!(sealer.step(SealerInput::Cancel, 10).as_slice(), [SealerOutput::StopSearch]));
    assert!(sealer.step(SealerInput::Cancel, 10).is_empty());
    let solution = SealerInput::Solution { nonce: B64::ZERO, mix_hash: B256::ZERO, seal_hash: hash };
    assert!(sealer.step(solution, 10).is_empty());
}
