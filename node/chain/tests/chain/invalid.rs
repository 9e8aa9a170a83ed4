//! Blocks that break one rule each, sealed for real.

use crate::support::*;
use atoll_chain::{ImportError, InvalidBlock, Origin};
use atoll_primitives::{B256, Block, Bloom, U256};

/// A block with one transfer, spoiled and then sealed.
fn spoiled(node: &Node, change: impl FnOnce(&mut Block)) -> Block {
    node.block_on(&node.chain.head().hash, &[transfer(0, 0)], &[], change)
}

fn reason(node: &Node, block: Block) -> InvalidBlock {
    let (hash, head) = (hash(&block), node.head());
    match node.chain.import(block, Origin::Peer) {
        Err(ImportError::Invalid { hash: named, reason, .. }) => {
            assert_eq!(named, hash);
            assert_eq!(node.head(), head);
            *reason
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_root_must_agree_with_execution() {
    let node = Node::new(0);
    type Spoil = fn(&mut Block);
    let cases: [(Spoil, &str); 6] = [
        (|block| block.header.gas_used += 1, "invalid gas used"),
        (|block| block.header.receipts_root = B256::repeat_byte(1), "invalid receipt root"),
        (|block| block.header.logs_bloom = Bloom::repeat_byte(1), "invalid logs bloom"),
        (|block| block.header.requests_hash = Some(B256::repeat_byte(1)), "invalid requests hash"),
        (|block| block.header.state_root = B256::repeat_byte(1), "invalid merkle root"),
        (|block| block.header.beneficiary = RECEIVER, "invalid merkle root"),
    ];
    for (spoil, message) in cases {
        let found = reason(&node, spoiled(&node, spoil)).to_string();
        assert!(found.starts_with(message), "{found}");
    }
    node.import(&spoiled(&node, |_| ()));
}

#[test]
fn headers_must_obey_their_rules() {
    let node = Node::new(0);
    type Spoil = fn(&mut Block);
    let cases: [Spoil; 5] = [
        |block| block.header.difficulty += U256::from(1),
        |block| block.header.base_fee_per_gas = block.header.base_fee_per_gas.map(|fee| fee + 1),
        |block| block.header.gas_limit *= 2,
        |block| block.header.timestamp = 5,
        |block| block.header.extra_data = vec![0; 33].into(),
    ];
    for spoil in cases {
        let found = reason(&node, spoiled(&node, spoil));
        assert!(matches!(found, InvalidBlock::Consensus(_)), "{found}");
    }
}

#[test]
fn the_seal_is_checked() {
    let node = Node::new(0);
    let mut block = spoiled(&node, |_| ());
    block.header.mix_hash.0[31] ^= 1;
    assert!(matches!(reason(&node, block.clone()), InvalidBlock::Consensus(_)));
    // Not twice.
    assert!(matches!(reason(&node, block), InvalidBlock::Known));
}

#[test]
fn a_transaction_that_cannot_run_spoils_its_block() {
    let node = Node::new(0);
    let block = node.block_on(&node.chain.head().hash, &[], &[], |block| {
        block.body.transactions = vec![transfer(0, 7)];
        let root = atoll_primitives::consensus::proofs::calculate_transaction_root(&block.body.transactions);
        block.header.transactions_root = root;
    });
    assert!(matches!(reason(&node, block), InvalidBlock::Execution(_)));
}

#[test]
fn a_wrong_body_does_not_condemn_the_header() {
    let node = Node::new(0);
    let good = spoiled(&node, |_| ());
    let mut wrong = good.clone();
    wrong.body.transactions.clear();
    assert!(matches!(reason(&node, wrong), InvalidBlock::Consensus(_)));
    node.import(&good);
    assert_eq!(node.head().1, hash(&good));
}

#[test]
fn descendants_of_an_invalid_block_are_invalid() {
    let node = Node::new(0);
    let bad = spoiled(&node, |block| block.header.state_root = B256::repeat_byte(1));
    let child = node.unfounded_block(&bad.header, B256::repeat_byte(2));
    let grandchild = node.unfounded_block(&child.header, B256::repeat_byte(3));
    // All in one batch: the first failure is reported.
    let error = node.chain.import_many(vec![bad, child.clone(), grandchild.clone()], Origin::Sync).unwrap_err();
    assert_eq!(error.index, 0);
    assert!(matches!(reason(&node, child), InvalidBlock::Parent { .. }));
    assert!(matches!(reason(&node, grandchild), InvalidBlock::Parent { .. }));
}

#[test]
fn a_batch_keeps_what_comes_before_the_bad_block() {
    let (miner, node) = (Node::new(0), Node::new(1));
    let mut blocks = miner.mine(6, 0);
    blocks[4].header.nonce.0[7] ^= 1;
    let error = node.chain.import_many(blocks, Origin::Sync).unwrap_err();
    assert_eq!(error.index, 4);
    assert!(error.source.is_invalid());
    assert_eq!(node.head().0, 4);
}

#[test]
fn the_blocks_refused_last_are_kept() {
    let node = Node::new(0);
    let stages: [fn(&mut Block); 3] = [
        |block| block.header.difficulty += U256::from(1),
        |block| block.header.mix_hash.0[31] ^= 1,
        |block| block.header.state_root = B256::repeat_byte(1),
    ];
    let mut refused = Vec::new();
    for (index, spoil) in stages.into_iter().enumerate() {
        let mut block = spoiled(&node, |block| {
            if index != 1 {
                spoil(block)
            }
        });
        if index == 1 {
            spoil(&mut block);
        }
        reason(&node, block.clone());
        refused.insert(0, block);
    }
    let mut bodiless = spoiled(&node, |_| ());
    bodiless.body.transactions.clear();
    reason(&node, bodiless.clone());
    refused.insert(0, bodiless);
    // What only builds on an invalid block, or comes again, is not kept.
    reason(&node, node.unfounded_block(&refused[1].header, B256::repeat_byte(2)));
    reason(&node, refused[1].clone());
    let kept =
        |node: &Node| node.chain.bad_blocks().into_iter().map(|bad| Block::clone(&bad.block)).collect::<Vec<_>>();
    assert_eq!(kept(&node), refused);
    assert_eq!(node.chain.bad_blocks()[0].hash, hash(&refused[0]));
    for root in 10..30 {
        reason(&node, spoiled(&node, |block| block.header.state_root = B256::repeat_byte(root)));
    }
    let roots: Vec<B256> = kept(&node).into_iter().map(|block| block.header.state_root).collect();
    assert_eq!(roots, (20..30).rev().map(B256::repeat_byte).collect::<Vec<_>>());
}
