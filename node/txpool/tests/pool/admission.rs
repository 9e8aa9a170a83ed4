//! Each admission rule with a transaction that breaks it and one at its edge.

use crate::support::*;
use atoll_primitives::{
    Account, Address, B256, Bytes, PooledTransaction, TransactionExt as _, U256,
    consensus::{TxEip1559, TxEip2930},
    primitives::{Signature, TxKind},
};
use atoll_txpool::{PoolConfig, PoolError};

fn refused(world: &World, tx: PooledTransaction) -> PoolError {
    add(&world.pool(), tx).expect_err("the rule lets it pass")
}

#[test]
fn a_plain_transfer_is_pending_once() {
    let world = World::new(1);
    let pool = world.pool();
    let tx = sign(0, transfer(0));
    let hash = add(&pool, tx.clone()).unwrap();
    assert_eq!(hash, *tx.tx_hash());
    assert_eq!(counts(&pool), (1, 0));
    assert_eq!(add(&pool, tx).unwrap_err().to_string(), "already known");
    assert_eq!(pool.get(&hash).unwrap().sender, key(0).address());
    assert_eq!(pool.sender_of(&hash), Some(key(0).address()));
}

#[test]
fn types_need_their_fork() {
    let old = World::with(1, &[("istanbulBlock", 0)]);
    let access = TxEip2930 { chain_id: CHAIN_ID, gas_price: GWEI, gas_limit: 21_000, ..TxEip2930::default() };
    let access = TxEip2930 { to: TxKind::Call(Address::ZERO), ..access };
    let error = refused(&old, sign(0, access.clone()));
    assert_eq!(error.to_string(), "transaction type not supported: type 1 rejected, pool not yet in Berlin");
    assert!(matches!(refused(&old, sign(0, transfer(0))), PoolError::TypeNotSupported { tx_type: 2, .. }));
    add(&old.pool(), sign(0, legacy(0, GWEI))).unwrap();
    add(&World::new(1).pool(), sign(0, access)).unwrap();
}

#[test]
fn nonces_and_funds() {
    let world = World::new(1);
    let pool = world.pool();
    let sent = Account { nonce: 5, balance: ether(1), ..Account::default() };
    world.advance(&pool, &[], &[(key(0).address(), sent)]);
    let error = add(&pool, sign(0, transfer(4))).unwrap_err();
    assert_eq!(error.to_string(), "nonce too low: next nonce 5, tx nonce 4");
    add(&pool, sign(0, transfer(5))).unwrap();
    let rich = TxEip1559 { value: ether(1), ..transfer(6) };
    let error = add(&pool, sign(0, rich)).unwrap_err().to_string();
    let expected = "insufficient funds for gas * price + value: balance 1000000000000000000, \
                    tx cost 1000210000000000000, overshot 210000000000000";
    assert_eq!(error, expected);
    let max = TxEip1559 { nonce: u64::MAX, ..transfer(0) };
    assert!(matches!(refused(&world, sign(0, max)), PoolError::NonceMax { .. }));
}

#[test]
fn pending_transactions_together_stay_within_the_balance() {
    let world = World::new(1);
    let pool = world.pool();
    let half = |nonce| TxEip1559 { value: ether(5), ..transfer(nonce) };
    add(&pool, sign(0, half(0))).unwrap();
    let error = add(&pool, sign(0, half(1))).unwrap_err();
    assert!(matches!(error, PoolError::Overdraft { .. }));
    assert!(error.to_string().starts_with("insufficient funds for gas * price + value: balance 1000"), "{error}");
    // A replacement counts instead of what it replaces.
    let dearer = TxEip1559 { value: ether(9), ..priced(0, 20 * GWEI, 2 * GWEI) };
    add(&pool, sign(0, dearer)).unwrap();
}

#[test]
fn gas_rules() {
    let world = World::new(1);
    let low = TxEip1559 { gas_limit: 20_999, ..transfer(0) };
    let error = refused(&world, sign(0, low));
    assert_eq!(error.to_string(), "intrinsic gas too low: gas 20999, minimum needed 21000");
    // 10 non-zero bytes: 160 gas of data, 400 of floor (EIP-7623).
    let data = TxEip1559 { gas_limit: 21_399, input: Bytes::from(vec![1; 10]), ..transfer(0) };
    let error = refused(&world, sign(0, data.clone()));
    assert_eq!(error.to_string(), "insufficient gas for floor data gas cost: gas 21399, minimum needed 21400");
    add(&world.pool(), sign(0, TxEip1559 { gas_limit: 21_400, ..data })).unwrap();
    let huge = TxEip1559 { gas_limit: 30_000_001, ..transfer(0) };
    assert_eq!(refused(&world, sign(0, huge)).to_string(), "exceeds block gas limit");
    let whole_block = TxEip1559 { gas_limit: 30_000_000, ..transfer(0) };
    add(&world.pool(), sign(0, whole_block.clone())).unwrap();
    // EIP-7825.
    let osaka = World::with(1, &[PRAGUE.as_slice(), &[("osakaTime", 0)]].concat());
    let error = refused(&osaka, sign(0, whole_block));
    assert_eq!(error.to_string(), "transaction gas limit too high (cap: 16777216, tx: 30000000)");
}

#[test]
fn sizes() {
    let world = World::new(1);
    let long = |len, to| TxEip1559 { input: Bytes::from(vec![0; len]), gas_limit: 3_000_000, to, ..transfer(0) };
    let call = TxKind::Call(Address::ZERO);
    assert!(matches!(refused(&world, sign(0, long(131_072, call))), PoolError::OversizedData { .. }));
    add(&world.pool(), sign(0, long(130_000, call))).unwrap();
    let error = refused(&world, sign(0, long(49_153, TxKind::Create)));
    assert_eq!(error.to_string(), "max initcode size exceeded: code size 49153, limit 49152");
    add(&world.pool(), sign(0, long(49_152, TxKind::Create))).unwrap();
}

#[test]
fn prices() {
    let world = World::new(1);
    let error = refused(&world, sign(0, priced(0, GWEI, GWEI + 1)));
    assert!(error.to_string().starts_with("max priority fee per gas higher than max fee per gas"), "{error}");
    let pool = world.pool_with(PoolConfig { price_limit: GWEI, ..PoolConfig::default() });
    let cheap = sign(0, priced(0, 2 * GWEI, GWEI - 1));
    let error = add(&pool, cheap.clone()).unwrap_err().to_string();
    assert_eq!(error, "transaction underpriced: gas tip cap 999999999, minimum needed 1000000000");
    // The node's own users may.
    add_local(&pool, cheap).unwrap();
    pool.set_price_limit(0);
    assert_eq!(pool.price_limit(), 0);
}

#[test]
fn raising_the_price_limit_drops_cheap_remote_transactions() {
    let world = World::new(2);
    let pool = world.pool();
    add(&pool, sign(0, priced(0, GWEI, 5))).unwrap();
    add_local(&pool, sign(1, priced(0, GWEI, 5))).unwrap();
    pool.set_price_limit(6);
    assert_eq!(counts(&pool), (1, 0));
    assert_eq!(pool.locals().len(), 1);
}

#[test]
fn chain_ids_and_signatures() {
    let world = World::new(1);
    let other = TxEip1559 { chain_id: 1, ..transfer(0) };
    let error = refused(&world, sign(0, other));
    assert_eq!(error.to_string(), format!("invalid chain id for signer: have 1 want {CHAIN_ID}"));
    let mut unprotected = legacy(0, GWEI);
    unprotected.chain_id = None;
    add(&world.pool(), sign(0, unprotected)).unwrap();
    let nobody = Signature::new(U256::ZERO, U256::ZERO, false);
    let tx = atoll_primitives::consensus::SignableTransaction::into_signed(transfer(0), nobody);
    assert_eq!(refused(&world, tx.into()).to_string(), "invalid sender");
}

#[test]
fn contracts_cannot_send() {
    let world = World::new(1);
    let pool = world.pool();
    let code_hash = world.storage.head_state().account(&CONTRACT).unwrap().unwrap().code_hash;
    let contract = Account { nonce: 0, balance: ether(1), code_hash };
    world.advance(&pool, &[], &[(key(0).address(), contract)]);
    let error = add(&pool, sign(0, transfer(0))).unwrap_err();
    assert!(error.to_string().starts_with("sender not an eoa: address 0x"), "{error}");
}

#[test]
fn a_batch_is_answered_in_order() {
    let world = World::new(2);
    let pool = world.pool();
    let low = TxEip1559 { gas_limit: 1, ..transfer(0) };
    let batch = vec![sign(0, transfer(0)), sign(1, low), sign(0, transfer(1)), sign(0, transfer(0))];
    let results = pool.add(batch.clone(), atoll_txpool::Origin::External);
    let ok: Vec<bool> = results.iter().map(Result::is_ok).collect();
    assert_eq!(ok, [true, false, true, false]);
    let hashes: Vec<B256> = results.iter().flatten().copied().collect();
    assert_eq!(hashes, [*batch[0].tx_hash(), *batch[2].tx_hash()]);
    assert_eq!(pool.pending_nonce(&key(0).address()), batch[2].nonce() + 1);
}
