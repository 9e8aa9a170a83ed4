//! Catching up, following, reorganisations, restarts, failing and lying nodes.

use crate::{
    bench::Bench,
    node::{Chain, Node, Tx, hex},
};
use alloy_primitives::{Address, B256, Bytes, U256};
use atoll_explorer::{ExplorerError, Index, IndexError, Place};
use atoll_kv::Engine;
use serde_json::json;

fn long_chain(blocks: u64) -> Chain {
    let mut chain = Chain::new(1);
    for number in 1..=blocks {
        chain.mine(&[Tx::transfer(1, 2, number), Tx::transfer(2, 3, number)]);
    }
    chain
}

fn count(index: &Index, byte: u8) -> u64 {
    index.transaction_count(&Address::repeat_byte(byte)).unwrap()
}

#[tokio::test]
async fn catches_up_and_counts() {
    let dir = tempfile::tempdir().unwrap();
    let chain = long_chain(300);
    let node = Node::start(chain.clone()).await;
    let mut bench = Bench::open(dir.path(), &[&node]);
    bench.reach(chain.hash(300)).await;

    let state = bench.state();
    assert_eq!((state.transactions, state.addresses, state.contracts), (600, 3, 0));
    assert_eq!((count(&bench.index, 1), count(&bench.index, 2), count(&bench.index, 3)), (300, 600, 300));
    let seen = bench.index.address_transactions(&Address::repeat_byte(2), Place::LAST, 1_000).unwrap();
    assert_eq!(seen.len(), 600);
    assert!(seen.is_sorted_by(|newer, older| newer.place > older.place));
    assert_eq!(bench.index.block(150).unwrap().unwrap().hash, chain.hash(150));
    // Blocks come many to a request: 300 of them in far fewer than 300.
    assert!(node.script.lock().requests < 60, "{} requests", node.script.lock().requests);
}

#[tokio::test]
async fn goes_on_where_it_was_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = long_chain(20);
    let node = Node::start(chain.clone()).await;
    let mut bench = Bench::open(dir.path(), &[&node]);
    bench.reach(chain.hash(20)).await;
    drop(bench);

    chain.mine(&[Tx::transfer(1, 9, 99)]);
    node.set_chain(chain.clone());
    let before = node.script.lock().requests;
    let mut bench = Bench::open(dir.path(), &[&node]);
    assert_eq!(bench.state().head.number, 20);
    bench.reach(chain.hash(21)).await;
    assert_eq!(count(&bench.index, 9), 1);
    assert_eq!(bench.state().network.unwrap().network_id, 4242);
    // Genesis, probe, block, receipts: nothing is read again from the start.
    assert!(node.script.lock().requests - before < 10);
}

#[tokio::test]
async fn follows_a_reorganisation_and_leaves_no_trace_of_the_old_branch() {
    let dir = tempfile::tempdir().unwrap();
    let base = long_chain(10);
    let mut old = base.fork(10, 7);
    let mut creation = Tx::transfer(5, 6, 0);
    creation.to = None;
    let both = Tx::transfer(1, 8, 500);
    old.mine(&[creation.clone(), both.clone()]);
    old.mine(&[Tx::transfer(5, 6, 1)]);
    let node = Node::start(old.clone()).await;
    let mut bench = Bench::open(dir.path(), &[&node]);
    bench.reach(old.hash(12)).await;
    assert_eq!(bench.state().contracts, 1);
    assert!(bench.index.creation(&creation.from.create(0)).unwrap().is_some());

    let mut new = base.fork(10, 8);
    new.mine(&[]);
    new.mine(&[Tx::transfer(1, 7, 501), both.clone()]);
    new.mine(&[]);
    node.set_chain(new.clone());
    bench.reach(new.hash(13)).await;

    assert_eq!(bench.index.number(&old.hash(11)).unwrap(), None);
    assert_eq!(bench.index.number(&new.hash(11)).unwrap(), Some(11));
    assert!(bench.index.transaction(&creation.hash()).unwrap().is_none());
    assert!(bench.index.creation(&creation.from.create(0)).unwrap().is_none());
    assert_eq!(bench.index.place(&both.hash()).unwrap(), Some(Place { block_number: 12, transaction_index: 1 }));
    assert_eq!((count(&bench.index, 5), count(&bench.index, 6), count(&bench.index, 8)), (0, 0, 1));

    // The index is the one that somebody gets who never saw the old branch.
    let fresh = tempfile::tempdir().unwrap();
    let mut other = Bench::open(fresh.path(), &[&node]);
    other.reach(new.hash(13)).await;
    other.until(|bench| bench.state().network.is_some()).await;
    assert_eq!(bench.state(), other.state());
}

#[tokio::test]
async fn follows_a_deep_reorganisation() {
    let dir = tempfile::tempdir().unwrap();
    let old = long_chain(400);
    let node = Node::start(old.clone()).await;
    let mut bench = Bench::open(dir.path(), &[&node]);
    bench.reach(old.hash(400)).await;
    let mut new = old.fork(50, 3);
    for _ in 51..=401 {
        new.mine(&[]);
    }
    node.set_chain(new.clone());
    bench.reach(new.hash(401)).await;
    assert_eq!(bench.state().transactions, 100);
    assert_eq!(count(&bench.index, 1), 50);
}

#[tokio::test]
async fn follows_a_shorter_chain_with_more_work_but_not_one_with_less() {
    let dir = tempfile::tempdir().unwrap();
    let old = long_chain(12);
    let node = Node::start(old.clone()).await;
    let mut bench = Bench::open(dir.path(), &[&node]);
    bench.reach(old.hash(12)).await;

    let mut lighter = old.fork(9, 4);
    lighter.mine(&[]);
    node.set_chain(lighter);
    for _ in 0..5 {
        bench.indexer.step().await.unwrap();
    }
    assert_eq!(bench.state().head.hash, old.hash(12));

    let mut heavier = old.fork(9, 5);
    heavier.mine_with(&[], &json!({"totalDifficulty": "0xffffffff"}));
    node.set_chain(heavier.clone());
    bench.reach(heavier.hash(10)).await;
    assert_eq!(bench.state().head.number, 10);
}

#[tokio::test]
async fn switches_to_another_node_when_one_fails_and_survives_having_none() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = long_chain(5);
    let (one, two) = (Node::start(chain.clone()).await, Node::start(chain.clone()).await);
    let mut bench = Bench::open(dir.path(), &[&one, &two]);
    bench.reach(chain.hash(5)).await;
    let first = bench.live.status().node.unwrap();
    let (used, other) = if first == one.url { (&one, &two) } else { (&two, &one) };

    used.set_down(true);
    chain.mine(&[]);
    other.set_chain(chain.clone());
    bench.reach(chain.hash(6)).await;
    assert_eq!(bench.live.status().node.as_ref(), Some(&other.url));

    other.set_down(true);
    bench.until(|bench| bench.live.status().node.is_none()).await;
    assert_eq!(bench.get("/ready").await.status, 503);
    let home = bench.get("/").await;
    assert_eq!(home.status, 200);
    assert!(home.body.contains("No node reachable. Showing the index up to block 6."), "{}", home.body);
    assert_eq!(bench.get("/block/6").await.status, 200);

    chain.mine(&[]);
    used.set_chain(chain.clone());
    used.set_down(false);
    bench.reach(chain.hash(7)).await;
    assert_eq!(bench.get("/ready").await.status, 200);
}

#[tokio::test]
async fn leaves_a_node_that_falls_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = long_chain(3);
    let (slow, fast) = (Node::start(chain.clone()).await, Node::start(Chain::new(1)).await);
    let mut bench = Bench::open(dir.path(), &[&slow, &fast]);
    bench.reach(chain.hash(3)).await;
    assert_eq!(bench.live.status().node.as_ref(), Some(&slow.url));
    for _ in 0..20 {
        chain.mine(&[]);
    }
    fast.set_chain(chain.clone());
    bench.reach(chain.hash(23)).await;
    assert_eq!(bench.live.status().node.as_ref(), Some(&fast.url));
    assert_eq!(bench.live.status().nodes, 2);
}

#[tokio::test]
async fn another_chain_is_a_clear_error_that_names_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let chain = long_chain(2);
    let node = Node::start(chain.clone()).await;
    let mut bench = Bench::open(dir.path(), &[&node]);
    bench.reach(chain.hash(2)).await;
    drop(bench);

    let stranger = Node::start(Chain::new(2)).await;
    let mut bench = Bench::open(dir.path(), &[&stranger]);
    let error = bench.fails().await;
    let ExplorerError::WrongChain { indexed, found, .. } = &error else { panic!("{error}") };
    assert_eq!((*indexed, *found), (chain.hash(0), Chain::new(2).hash(0)));
    assert!(error.to_string().contains("--reset"), "{error}");
    drop(bench);

    // Beside a node of the right chain a stranger is only left aside.
    let mut bench = Bench::open(dir.path(), &[&stranger, &node]);
    bench.until(|bench| bench.live.status().node.as_ref() == Some(&node.url)).await;
    assert_eq!(bench.live.status().nodes, 1);
}

#[tokio::test]
async fn nodes_with_less_to_offer_will_do() {
    let dir = tempfile::tempdir().unwrap();
    let chain = long_chain(40);
    let node = Node::start(chain.clone()).await;
    {
        let mut script = node.script.lock();
        script.no_block_receipts = true;
        script.most_calls = Some(6);
    }
    let mut bench = Bench::open(dir.path(), &[&node]);
    bench.reach(chain.hash(40)).await;
    let placed = bench.index.transactions(Place::LAST, 100).unwrap();
    assert_eq!(placed.len(), 80);
    assert!(placed.iter().all(|placed| placed.transaction.succeeded() == Some(true)));
}

#[tokio::test]
async fn lies_are_not_indexed() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = long_chain(4);
    let node = Node::start(chain.clone()).await;
    let mut bench = Bench::open(dir.path(), &[&node]);
    bench.reach(chain.hash(4)).await;
    let before = bench.state();

    let lies = [
        json!({"number": "0xffffffffffffffff", "hash": B256::repeat_byte(9)}),
        json!({"number": "0x5", "hash": B256::repeat_byte(9), "totalDifficulty": U256::MAX}),
        json!({"number": "0x1", "hash": B256::repeat_byte(9), "totalDifficulty": "0x1"}),
        json!({"number": "five"}),
        json!("0x0"),
        json!(null),
    ];
    for lie in lies {
        node.script.lock().claimed_head = Some(lie);
        for _ in 0..3 {
            bench.indexer.step().await.unwrap();
        }
        assert_eq!(bench.state().head, before.head);
        assert_eq!(bench.get("/").await.status, 200);
    }
    node.script.lock().claimed_head = None;
    // A block that does not follow, then the honest one.
    let honest = chain.clone();
    chain.mine_with(&[], &json!({"parentHash": B256::repeat_byte(7)}));
    node.set_chain(chain);
    for _ in 0..20 {
        bench.indexer.step().await.unwrap();
    }
    assert_eq!(bench.state().head, before.head);
    let mut honest = honest;
    honest.mine(&[]);
    node.set_chain(honest.clone());
    bench.reach(honest.hash(5)).await;
}

#[tokio::test]
async fn large_things_are_cut_before_they_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = Chain::new(1);
    let mut tx = Tx::transfer(1, 2, 0);
    tx.input = Bytes::from(vec![7; 400 << 10]);
    tx.logs = vec![json!({"address": tx.from, "topics": vec![B256::ZERO; 9], "data": Bytes::from(vec![8; 900 << 10])})];
    let extra = Bytes::from(vec![9; 100 << 10]);
    chain.mine_with(&[tx.clone()], &json!({"extraData": extra, "uncles": vec![B256::ZERO; 5_000]}));
    let node = Node::start(chain.clone()).await;
    let mut bench = Bench::open(dir.path(), &[&node]);
    bench.reach(chain.hash(1)).await;
    let kept = bench.index.transaction(&tx.hash()).unwrap().unwrap().transaction;
    assert!(kept.truncated);
    assert_eq!(kept.input.len(), 256 << 10);
    let log = &kept.receipt.unwrap().logs[0];
    assert_eq!((log.topics.len(), log.data.len()), (4, 512 << 10));
    let block = bench.index.block(1).unwrap().unwrap();
    assert_eq!((block.extra_data.len(), block.uncles.len()), (8 << 10, 16));
    assert!(bench.get(&format!("/tx/{}", tx.hash())).await.body.len() < 100 << 10);
}

#[tokio::test]
async fn blocks_that_do_not_follow_are_refused_whole() {
    let dir = tempfile::tempdir().unwrap();
    let chain = long_chain(3);
    let block = |number: usize| serde_json::from_value::<atoll_explorer::Block>(chain.blocks[number].clone()).unwrap();
    let index = Index::open(dir.path(), Engine::Redb, 1 << 20).unwrap();
    assert!(matches!(index.apply(0, &[block(1)]), Err(IndexError::NotNext { number: 1 })));
    assert!(index.state().unwrap().is_none());
    index.apply(0, &[block(0), block(1)]).unwrap();
    assert!(matches!(index.apply(0, &[block(2), block(2)]), Err(IndexError::NotNext { number: 2 })));
    assert_eq!(index.state().unwrap().unwrap().head.hash, chain.hash(1));
    // The first block of all stays.
    index.apply(9, &[]).unwrap();
    assert_eq!(index.state().unwrap().unwrap().head.hash, chain.hash(0));
    assert_eq!(hex(255), "0xff");
}
