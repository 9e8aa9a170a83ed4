//! Blob transactions: sidecars, proofs, limits. The KZG setup is the real one.

use crate::support::*;
use atoll_primitives::{
    Address, B256, PooledTransaction,
    consensus::{TxEip4844, TxEip4844WithSidecar},
    eips::{
        eip4844::builder::{SidecarBuilder, SimpleCoder},
        eip7594::BlobTransactionSidecarVariant as Sidecar,
    },
};
use atoll_txpool::{PoolConfig, PoolError};

fn sidecar() -> Sidecar {
    Sidecar::Eip4844(SidecarBuilder::<SimpleCoder>::from_slice(b"a reef around a lagoon").build_4844().unwrap())
}

fn blob_tx(nonce: u64, fee: u128, sidecar: Sidecar) -> TxEip4844WithSidecar<Sidecar> {
    let tx = TxEip4844 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: fee,
        max_priority_fee_per_gas: fee,
        max_fee_per_blob_gas: fee,
        to: Address::repeat_byte(0xaa),
        blob_versioned_hashes: sidecar.versioned_hashes().collect(),
        ..TxEip4844::default()
    };
    TxEip4844WithSidecar { tx, sidecar }
}

fn osaka() -> World {
    World::with(1, &[PRAGUE.as_slice(), &[("osakaTime", 0)]].concat())
}

#[test]
fn a_blob_with_its_proof_is_pending() {
    let world = World::new(1);
    let pool = world.pool();
    let hash = add(&pool, sign(0, blob_tx(0, GWEI, sidecar()))).unwrap();
    let tx = pool.get(&hash).unwrap();
    assert_eq!(*tx.transaction().tx_hash(), hash);
    assert_eq!(pool.pending(0).with_blob_fee(GWEI).count(), 1);
    assert_eq!(pool.pending(0).with_blob_fee(GWEI + 1).count(), 0);
}

#[test]
fn sidecars_must_fit() {
    let world = World::new(1);
    let pool = world.pool();
    let mut wrong_hash = blob_tx(0, GWEI, sidecar());
    wrong_hash.tx.blob_versioned_hashes = vec![B256::repeat_byte(1)];
    assert!(matches!(add(&pool, sign(0, wrong_hash)), Err(PoolError::InvalidSidecar { .. })));
    let Sidecar::Eip4844(mut bad) = sidecar() else { panic!("version 0") };
    bad.blobs[0][40] ^= 1;
    assert!(matches!(
        add(&pool, sign(0, blob_tx(0, GWEI, Sidecar::Eip4844(bad)))),
        Err(PoolError::InvalidSidecar { .. })
    ));
    let mut too_few = blob_tx(0, GWEI, sidecar());
    too_few.tx.blob_versioned_hashes.push(B256::repeat_byte(1));
    assert!(matches!(add(&pool, sign(0, too_few)), Err(PoolError::SidecarLengths { .. })));
    let mut none = blob_tx(0, GWEI, sidecar());
    none.tx.blob_versioned_hashes.clear();
    assert_eq!(add(&pool, sign(0, none)).unwrap_err().to_string(), "blobless blob transaction");
    let mut many = blob_tx(0, GWEI, sidecar());
    many.tx.blob_versioned_hashes = vec![B256::repeat_byte(1); 10];
    let error = add(&pool, sign(0, many)).unwrap_err();
    assert_eq!(error.to_string(), "too many blobs in transaction: have 10, permitted 9");
}

#[test]
fn no_gaps_double_price_and_limits() {
    let world = World::new(1);
    let pool = world.pool_with(PoolConfig { account_blobs: 2, ..PoolConfig::default() });
    let error = add(&pool, sign(0, blob_tx(1, GWEI, sidecar()))).unwrap_err();
    assert_eq!(error.to_string(), "nonce too high: tx nonce 1, gapped nonce 0");
    add(&pool, sign(0, blob_tx(0, GWEI, sidecar()))).unwrap();
    let error = add(&pool, sign(0, blob_tx(0, 2 * GWEI - 1, sidecar()))).unwrap_err();
    assert!(matches!(error, PoolError::ReplacementUnderpriced { .. }));
    add(&pool, sign(0, blob_tx(0, 2 * GWEI, sidecar()))).unwrap();
    add(&pool, sign(0, blob_tx(1, GWEI, sidecar()))).unwrap();
    assert!(matches!(add(&pool, sign(0, blob_tx(2, GWEI, sidecar()))), Err(PoolError::AccountLimit { pooled: 2 })));
    let full = world.pool_with(PoolConfig { max_blobs: 1, ..PoolConfig::default() });
    add(&full, sign(0, blob_tx(0, GWEI, sidecar()))).unwrap();
    assert!(matches!(add(&full, sign(0, blob_tx(1, GWEI, sidecar()))), Err(PoolError::PoolFull)));
}

#[test]
fn from_osaka_on_sidecars_have_cell_proofs() {
    let world = osaka();
    let pool = world.pool();
    let old = sign(0, blob_tx(0, GWEI, sidecar()));
    let error = add(&pool, old.clone()).unwrap_err();
    assert_eq!(error.to_string(), "unexpected sidecar version, want: 1, got: 0");
    // A local one is converted.
    let hash = add_local(&pool, old).unwrap();
    let PooledTransaction::Eip4844(tx) = &pool.get(&hash).unwrap().tx else { panic!("a blob transaction") };
    let cells = tx.tx().sidecar.clone();
    assert!(cells.is_eip7594());
    // And then good for any peer.
    add(&world.pool(), sign(0, blob_tx(0, GWEI, cells.clone()))).unwrap();
    let Sidecar::Eip7594(mut bad) = cells else { panic!("version 1") };
    bad.cell_proofs.swap(0, 1);
    assert!(matches!(
        add(&world.pool(), sign(0, blob_tx(0, GWEI, Sidecar::Eip7594(bad)))),
        Err(PoolError::InvalidSidecar { .. })
    ));
}

#[test]
fn osaka_converts_what_waits_in_the_pool() {
    // Block timestamps go up by ten from 1.
    let world = World::with(1, &[PRAGUE.as_slice(), &[("osakaTime", 11)]].concat());
    let pool = world.pool();
    let hash = add(&pool, sign(0, blob_tx(0, GWEI, sidecar()))).unwrap();
    world.advance(&pool, &[], &[]);
    let PooledTransaction::Eip4844(tx) = &pool.get(&hash).unwrap().tx else { panic!("a blob transaction") };
    assert!(tx.tx().sidecar.is_eip7594());
    assert_eq!(counts(&pool), (1, 0));
}

#[test]
fn a_reorganisation_returns_the_sidecar() {
    let world = World::new(1);
    let pool = world.pool();
    let tx = sign(0, blob_tx(0, GWEI, sidecar()));
    add(&pool, tx.clone()).unwrap();
    let genesis = world.storage.genesis_hash();
    world.switch(&pool, &world.block(&genesis, &[&tx], &[]));
    assert_eq!(counts(&pool), (0, 0));
    let side = world.block(&genesis, &[], &[]);
    world.switch(&pool, &world.block(&side.hash, &[], &[]));
    assert_eq!(pool.get(tx.tx_hash()).unwrap().tx, tx);
}
