//! A contract that calls, creates, borrows code and goes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::testing::*;
use atoll_primitives::address;

const LIBRARY: Address = address!("d000000000000000000000000000000000000005");
const HEIR: Address = address!("e000000000000000000000000000000000000006");

/// CALL(OTHER); CREATE of nothing; DELEGATECALL(LIBRARY); then `end`.
fn busy(end: &[u8]) -> Vec<u8> {
    let zeros = |count| [0x60, 0].repeat(count);
    let push = |address: Address| [&[0x73], address.as_slice()].concat();
    let gas = vec![0x61, 0xff, 0xff];
    let call = [zeros(5), push(OTHER), gas.clone(), vec![0xf1, 0x50]].concat();
    let create = [zeros(3), vec![0xf0, 0x50]].concat();
    let borrow = [zeros(4), push(LIBRARY), gas, vec![0xf4, 0x50]].concat();
    [call, create, borrow, end.to_vec()].concat()
}

#[test]
fn everybody_a_transaction_involves_is_listed_also_when_it_reverts() {
    let created = CONTRACT.create(1);
    let destroy = [&[0x73], HEIR.as_slice(), &[0xff]].concat();
    let revert = [0x60, 0, 0x60, 0, 0xfd];
    for (end, heir) in [(&destroy[..], Some(HEIR)), (&revert, None)] {
        let transfer = transaction(0, OTHER, U256::from(1), 21_000);
        let call = transaction(1, CONTRACT, U256::ZERO, 400_000);
        let block = block(header(), vec![transfer, call]);
        let found = block_addresses(&osaka(), state(&busy(end)), &block).unwrap();
        let everybody = [SENDER, CONTRACT, OTHER, created, LIBRARY].into_iter().chain(heir);
        assert_eq!(found, [BTreeSet::from([SENDER, OTHER]), everybody.collect()]);
    }
}

#[test]
fn a_deployment_lists_the_new_contract() {
    let tx = creation(0, 100_000);
    let found = block_addresses(&osaka(), state(&[]), &block(header(), vec![tx])).unwrap();
    assert_eq!(found, [BTreeSet::from([SENDER, SENDER.create(0)])]);
}

#[test]
fn a_state_that_is_not_the_parents_is_an_error() {
    let block = block(header(), vec![transaction(5, OTHER, U256::ZERO, 21_000)]);
    assert!(matches!(block_addresses(&osaka(), state(&[]), &block), Err(TraceError::Replay(_))));
}
