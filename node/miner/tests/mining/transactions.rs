//! Transactions from the pool into blocks.

use crate::support::*;
use atoll_miner::MinerConfig;
use atoll_primitives::{B256, TransactionExt, U256};
use atoll_txpool::Origin;

#[test]
fn transactions_are_mined_in_nonce_order() {
    let node = Node::new(&quick(), config());
    let txs: Vec<_> = (0..20).map(|nonce| transaction(0, nonce, RECEIVER, 1_000_000_000)).collect();
    let hashes: Vec<B256> = txs.iter().map(|tx| *tx.tx_hash()).collect();
    for answer in node.pool.add(txs, Origin::External) {
        answer.unwrap();
    }
    for hash in &hashes {
        node.including(hash);
    }
    assert_eq!(node.balance(&RECEIVER), U256::from(20));
    node.miner.shutdown();
}

#[test]
fn the_better_tip_comes_first() {
    let node = Node::new(&quick(), MinerConfig { mining: false, ..config() });
    let txs = vec![transaction(0, 0, RECEIVER, 1_000_000_000), transaction(1, 0, RECEIVER, 2_000_000_000)];
    node.pool.add(txs, Origin::External).into_iter().for_each(|answer| assert!(answer.is_ok()));
    let pending = node.miner.pending_block().unwrap();
    let tips: Vec<_> = pending.block.transactions().map(|(tx, _)| tx.max_priority_fee_per_gas().unwrap()).collect();
    assert_eq!(tips, [2_000_000_000, 1_000_000_000]);
    assert_eq!(pending.receipts.len(), 2);
    assert_eq!(pending.changes.account(&RECEIVER).unwrap().unwrap().balance, U256::from(2));
}

#[test]
fn cheap_transactions_of_others_are_left_out() {
    let node = Node::new(&quick(), MinerConfig { mining: false, gas_price: 2_000_000_000, ..config() });
    let answers = node.pool.add(vec![transaction(0, 0, RECEIVER, 1_000_000_000)], Origin::External);
    answers.into_iter().for_each(|answer| assert!(answer.is_ok()));
    let local = transaction(1, 0, RECEIVER, 1_000_000_000);
    let hash = *local.tx_hash();
    node.pool.add(vec![local], Origin::Local).into_iter().for_each(|answer| assert!(answer.is_ok()));
    let pending = node.miner.pending_block().unwrap();
    let mined: Vec<B256> = pending.block.transactions().map(|(tx, _)| *tx.tx_hash()).collect();
    assert_eq!(mined, [hash]);
}

#[test]
fn a_block_that_reads_prevrandao_is_valid_once_sealed() {
    let node = Node::new(&quick(), config());
    let tx = transaction(0, 0, RANDAO, 1_000_000_000);
    let hash = *tx.tx_hash();
    node.pool.add(vec![tx], Origin::External).into_iter().for_each(|answer| assert!(answer.is_ok()));
    let block = node.including(&hash);
    // The mix hash is the seal's and comes after execution: the opcode gives the difficulty under proof of work.
    let state = node.chain.storage().state_at(&block.hash).unwrap().unwrap();
    assert_eq!(state.storage(&RANDAO, &U256::ZERO).unwrap(), block.header().difficulty);
    node.miner.shutdown();
}
