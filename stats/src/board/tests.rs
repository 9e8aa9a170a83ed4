//! Joining, leaving, heads, charts and the bounds, with a clock of our own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::wire::Text;

fn hello(id: &str) -> Hello {
    let info = NodeInfo { name: Text(id.to_owned()), ..NodeInfo::default() };
    Hello { id: Text(id.to_owned()), info, secret: None }
}

fn block(number: u64, hash: &str, parent: &str) -> BlockReport {
    BlockReport {
        number: Quantity(number as f64),
        hash: Text(hash.to_owned()),
        parent_hash: Text(parent.to_owned()),
        ..BlockReport::default()
    }
}

fn numbers(board: &Board, now: Millis) -> Vec<u64> {
    board.chain(now).iter().map(|entry| entry.report.number.whole()).collect()
}

#[test]
fn a_node_turns_grey_when_its_session_ends_or_it_falls_silent() {
    let mut board = Board::new(8);
    assert_eq!(board.join(&hello("a"), 1, 0), Ok(None));
    assert!(board.nodes["a"].is_active(0));
    assert!(!board.nodes["a"].is_active(SILENCE_MS));
    board.touch("a", 1, SILENCE_MS);
    assert!(board.nodes["a"].is_active(SILENCE_MS));
    board.leave("a", 1, SILENCE_MS);
    assert!(!board.nodes["a"].is_active(SILENCE_MS));
    assert!(!board.tidy(FORGET_MS));
    assert!(board.tidy(FORGET_MS + SILENCE_MS));
    assert!(board.nodes.is_empty());
}

#[test]
fn a_reconnection_replaces_the_old_session_whose_end_then_changes_nothing() {
    let mut board = Board::new(8);
    board.join(&hello("a"), 1, 0).unwrap();
    assert_eq!(board.join(&hello("a"), 2, 10), Ok(Some(1)));
    board.leave("a", 1, 20);
    assert!(board.nodes["a"].is_active(20));
    board.pending("a", 1, Quantity(9.0), 20);
    assert_eq!(board.nodes["a"].pending, 0, "the replaced session speaks to nobody");
    board.pending("a", 2, Quantity(9.0), 20);
    assert_eq!(board.nodes["a"].pending, 9);
}

#[test]
fn a_full_page_drops_who_has_been_away_longest_and_refuses_when_all_are_here() {
    let mut board = Board::new(2);
    board.join(&hello("a"), 1, 0).unwrap();
    board.join(&hello("b"), 2, 0).unwrap();
    assert_eq!(board.join(&hello("c"), 3, 0), Err(BoardFull { limit: 2 }));
    board.leave("b", 2, 5);
    assert_eq!(board.join(&hello("c"), 3, 9), Ok(None));
    assert_eq!(board.nodes.keys().collect::<Vec<_>>(), ["a", "c"]);
}

#[test]
fn propagation_counts_from_the_first_report_and_ignores_repetitions() {
    let mut board = Board::new(8);
    board.join(&hello("a"), 1, 0).unwrap();
    board.join(&hello("b"), 2, 0).unwrap();
    for (id, session) in [("a", 1), ("b", 2)] {
        board.block(id, session, block(1, "0x1", "0x0"), 0);
    }
    board.block("a", 1, block(2, "0x2", "0x1"), 1_000);
    board.block("b", 2, block(2, "0x2", "0x1"), 1_250);
    board.block("b", 2, block(2, "0x2", "0x1"), 9_000);
    assert_eq!(board.nodes["a"].propagations, [0]);
    assert_eq!(board.nodes["b"].propagations, [250]);
}

#[test]
fn the_chart_follows_the_branch_of_the_best_active_node() {
    let mut board = Board::new(8);
    board.join(&hello("a"), 1, 0).unwrap();
    board.join(&hello("b"), 2, 0).unwrap();
    board.history("a", 1, vec![block(2, "0x2", "0x1"), block(1, "0x1", "0x0")], 0);
    board.block("a", 1, block(3, "0x3", "0x2"), 1);
    board.block("b", 2, block(2, "0x2b", "0x1"), 1);
    assert_eq!(numbers(&board, 1), [1, 2, 3]);
    board.block("b", 2, block(4, "0x4b", "0x3b"), 2);
    assert_eq!(numbers(&board, 2), [4], "the parent is unknown: nothing is invented");
    board.leave("b", 2, 3);
    assert_eq!(board.best(3).unwrap().report.hash.0, "0x3", "a node that is gone does not hold the head");
}

#[test]
fn a_forged_parent_makes_no_circle_and_blocks_are_bounded() {
    let mut board = Board::new(8);
    board.join(&hello("a"), 1, 0).unwrap();
    board.history("a", 1, vec![block(5, "0x5", "0x6")], 0);
    board.block("a", 1, block(6, "0x6", "0x5"), 0);
    assert_eq!(numbers(&board, 0), [5, 6]);
    let many = (0..2_000).map(|n| block(n, &format!("h{n}"), "")).collect();
    board.history("a", 1, many, 0);
    assert_eq!(board.blocks.len(), MAX_BLOCKS);
    assert_eq!(board.by_number.values().map(Vec::len).sum::<usize>(), MAX_BLOCKS);
}

#[test]
fn history_is_asked_once_and_only_of_nodes_that_can() {
    let mut board = Board::new(8);
    board.join(&hello("a"), 1, 0).unwrap();
    assert_eq!(board.wanted_history("a", 0), None, "no head yet");
    board.block("a", 1, block(100, "0x64", "0x63"), 0);
    assert_eq!(board.wanted_history("a", 0).unwrap(), (61..100).collect::<Vec<_>>());
    assert_eq!(board.wanted_history("a", 9_999), None);
    board.nodes.get_mut("a").unwrap().info.history = Some(false);
    assert_eq!(board.wanted_history("a", 60_000), None);
}
