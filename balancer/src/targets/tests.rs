//! Choosing: roles, lag, stickiness, never older than seen.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn info(url: &str, miner: bool) -> TargetInfo {
    TargetInfo { url: url.into(), ws: None, name: url.into(), miner }
}

/// Targets with these heads; `None` is dead.
fn targets(heads: &[(&str, bool, Option<u64>)]) -> Targets {
    let targets = Targets::new(3);
    targets.replace(heads.iter().map(|(url, miner, _)| info(url, *miner)).collect());
    for (target, (_, _, head)) in targets.all().iter().zip(heads) {
        if let Some(head) = head {
            targets.answered(target, *head, false, Duration::ZERO);
        }
    }
    targets
}

fn chosen(targets: &Targets, client: u64, sticky: Option<&str>, seen: u64) -> Result<String, NoTarget> {
    targets.choose(client, sticky, seen, &[]).map(|target| target.info.url.clone())
}

#[test]
fn dead_and_lagging_targets_get_nothing_and_miners_only_help_out() {
    let set = targets(&[("http://m", true, Some(100)), ("http://a", false, Some(97)), ("http://b", false, Some(96))]);
    for client in 0..50 {
        assert_eq!(chosen(&set, client, None, 0).unwrap(), "http://a", "b is four behind, m is a miner");
    }
    set.failed(&set.all()[1], "down");
    assert_eq!(chosen(&set, 1, None, 0).unwrap(), "http://m");
    set.failed(&set.all()[0], "down");
    assert_eq!(chosen(&set, 1, None, 0).unwrap(), "http://b", "the best of those that are left");
    set.failed(&set.all()[2], "down");
    assert_eq!(chosen(&set, 1, None, 0), Err(NoTarget::None));
}

#[test]
fn a_client_keeps_its_node_and_never_moves_to_an_older_one() {
    let set = targets(&[("http://a", false, Some(10)), ("http://b", false, Some(9))]);
    assert_eq!(chosen(&set, 1, Some("http://b"), 9).unwrap(), "http://b");
    assert_eq!(chosen(&set, 1, Some("http://b"), 10).unwrap(), "http://a", "its own node is older than what it saw");
    assert_eq!(chosen(&set, 1, Some("http://gone"), 10).unwrap(), "http://a");
    set.failed(&set.all()[0], "down");
    assert_eq!(chosen(&set, 1, Some("http://a"), 10), Err(NoTarget::Behind { seen: 10 }));
    set.reached(&set.all()[1], 10);
    assert_eq!(chosen(&set, 1, Some("http://a"), 10).unwrap(), "http://b");
}

#[test]
fn clients_spread_and_a_new_target_moves_only_a_share_of_them() {
    let set = targets(&[("http://a", false, Some(1)), ("http://b", false, Some(1))]);
    let before: Vec<_> = (0..400).map(|client| chosen(&set, client, None, 0).unwrap()).collect();
    let on_a = before.iter().filter(|url| *url == "http://a").count();
    assert!((100..300).contains(&on_a), "{on_a} of 400");
    set.replace(vec![info("http://a", false), info("http://b", false), info("http://c", false)]);
    set.answered(&set.all()[2], 1, false, Duration::ZERO);
    for (client, url) in before.iter().enumerate() {
        let now = chosen(&set, client as u64, None, 0).unwrap();
        assert!(now == *url || now == "http://c");
    }
}

#[tokio::test]
async fn waiting_ends_when_a_target_catches_up() {
    let set = Arc::new(targets(&[("http://a", false, Some(9))]));
    let waiting = Arc::clone(&set);
    let task = tokio::spawn(async move { waiting.wait_for(1, None, 10, &[], Duration::from_secs(60)).await });
    tokio::task::yield_now().await;
    set.reached(&set.all()[0], 10);
    assert_eq!(task.await.unwrap().unwrap().info.url, "http://a");
    let refused = set.wait_for(1, None, 11, &[], Duration::from_millis(1)).await;
    assert_eq!(refused.err(), Some(NoTarget::Behind { seen: 11 }));
}

#[tokio::test]
async fn a_removed_target_is_gone_for_good() {
    let set = targets(&[("http://a", false, Some(9))]);
    let target = Arc::clone(&set.all()[0]);
    set.replace(vec![]);
    target.gone().await;
    assert!(target.removed.is_cancelled());
    set.answered(&target, 10, false, Duration::ZERO);
    assert!(!target.is_alive(), "a late poll does not bring it back");
}

#[test]
fn only_plain_http_is_a_target_and_the_list_is_bounded() {
    for url in ["", "a:1", "https://a", "ftp://a", "http://", "/x"] {
        assert!(Target::new(info(url, false)).is_none(), "{url}");
    }
    let set = Targets::new(3);
    set.replace((0..1_000).map(|n| info(&format!("http://h{n}"), false)).collect());
    assert_eq!(set.all().len(), MAX_TARGETS);
    assert!(set.all().iter().all(|target| target.tag >= 0x8000_0000));
}

/// After a restart of everything the first node to answer knew the newest blocks of nobody.
#[test]
fn who_is_catching_up_serves_only_while_nobody_else_can() {
    let set = targets(&[("http://m", true, Some(100)), ("http://a", false, Some(100))]);
    set.answered(&set.all()[1], 100, true, Duration::ZERO);
    assert_eq!(chosen(&set, 1, Some("http://a"), 0).unwrap(), "http://m");
    set.answered(&set.all()[0], 100, true, Duration::ZERO);
    assert_eq!(chosen(&set, 1, None, 0).unwrap(), "http://a");
    set.answered(&set.all()[1], 100, false, Duration::ZERO);
    assert_eq!(chosen(&set, 1, Some("http://m"), 0).unwrap(), "http://a");
}
