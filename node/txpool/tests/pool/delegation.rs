//! EIP-7702: authorization lists and the limits on delegated accounts.

use crate::support::*;
use alloy_signer::SignerSync;
use atoll_primitives::{
    Account, Address, StateChanges, U256,
    consensus::TxEip7702,
    eips::eip7702::{Authorization, SignedAuthorization},
    keccak256,
};
use atoll_txpool::PoolError;

fn authorization(account: usize, nonce: u64) -> SignedAuthorization {
    let authorization = Authorization { chain_id: U256::from(CHAIN_ID), address: CONTRACT, nonce };
    let signature = key(account).sign_hash_sync(&authorization.signature_hash()).unwrap();
    authorization.into_signed(signature)
}

fn set_code(nonce: u64, authorization_list: Vec<SignedAuthorization>) -> TxEip7702 {
    TxEip7702 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 100_000,
        max_fee_per_gas: 10 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: Address::repeat_byte(0xaa),
        authorization_list,
        ..TxEip7702::default()
    }
}

#[test]
fn the_list_must_not_be_empty() {
    let world = World::new(1);
    let error = add(&world.pool(), sign(0, set_code(0, Vec::new()))).unwrap_err();
    assert_eq!(error.to_string(), "set code tx must have at least one authorization tuple");
    let error = add(&World::with(1, &PRAGUE[..5]).pool(), sign(0, set_code(0, vec![authorization(0, 1)]))).unwrap_err();
    assert!(matches!(error, PoolError::TypeNotSupported { tx_type: 4, fork: "Prague" }));
}

#[test]
fn a_pending_authority_has_one_transaction_in_flight() {
    let world = World::new(2);
    let pool = world.pool();
    let delegating = add(&pool, sign(0, set_code(0, vec![authorization(1, 0)]))).unwrap();
    assert!(matches!(add(&pool, sign(1, transfer(1))), Err(PoolError::DelegatedGap { .. })));
    add(&pool, sign(1, transfer(0))).unwrap();
    assert!(matches!(add(&pool, sign(1, transfer(1))), Err(PoolError::DelegatedInFlight { .. })));
    // Replacing the one in flight is allowed.
    add(&pool, sign(1, priced(0, 20 * GWEI, 2 * GWEI))).unwrap();
    pool.remove(&delegating);
    add(&pool, sign(1, transfer(1))).unwrap();
}

#[test]
fn an_authority_with_several_transactions_is_reserved() {
    let world = World::new(2);
    let pool = world.pool();
    add(&pool, sign(1, transfer(0))).unwrap();
    add(&pool, sign(1, transfer(1))).unwrap();
    let error = add(&pool, sign(0, set_code(0, vec![authorization(1, 0)]))).unwrap_err();
    assert_eq!(error.to_string(), "authority already reserved");
}

#[test]
fn a_delegated_account_may_send_one_at_a_time() {
    let world = World::new(1);
    let pool = world.pool();
    let code = [&[0xef, 0x01, 0x00], CONTRACT.as_slice()].concat();
    let account = Account { nonce: 0, balance: ether(1), code_hash: keccak256(&code) };
    let mut changes = StateChanges::default();
    changes.code.insert(account.code_hash, code.into());
    world.advance_with(&pool, &[(key(0).address(), account)], changes);
    add(&pool, sign(0, transfer(0))).unwrap();
    let error = add(&pool, sign(0, transfer(1))).unwrap_err();
    assert_eq!(error.to_string(), "in-flight transaction limit reached for delegated accounts");
}
