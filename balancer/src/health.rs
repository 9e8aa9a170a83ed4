//! Polls every target and writes down whether it lives and which block it has.
//!
//! A refused connection puts a target out at once, a slow one after two polls in a row; with the defaults (every
//! 500 ms, 1 s of patience, the second try at once) a dead node is out after 2.5 s at the latest.

use crate::node_client::{AskError, NodeClient, json_headers};
use crate::targets::{Target, Targets};
use alloy_primitives::U64;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Uri};
use serde::Deserialize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const NODE_QUESTION: &[u8] = br#"[{"jsonrpc":"2.0","id":0,"method":"eth_blockNumber","params":[]},{"jsonrpc":"2.0","id":1,"method":"eth_syncing","params":[]}]"#;
/// Slow or unreadable polls in a row that put a target out.
const STRIKES: u32 = 2;

/// What kind of target is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// Head and sync state by JSON-RPC.
    Node,
    /// `GET /health`.
    Page,
}

/// Whom to poll, and how.
pub(crate) struct Polled {
    pub(crate) targets: Arc<Targets>,
    pub(crate) target: Arc<Target>,
    pub(crate) client: NodeClient,
    pub(crate) probe: Probe,
    pub(crate) every: Duration,
    pub(crate) patience: Duration,
}

/// Polls until the target is removed or `shutdown`; tells `joined` when it comes (back) in.
pub(crate) async fn watch(polled: Polled, joined: impl Fn(&Arc<Target>), shutdown: CancellationToken) {
    let Polled { targets, target, client, probe, every, patience } = polled;
    let mut strikes = 0;
    loop {
        let asked = Instant::now();
        let polled = tokio::select! {
            () = shutdown.cancelled() => return,
            () = target.removed.cancelled() => return,
            polled = poll(&client, &target, probe, patience) => polled,
        };
        let mut pause = every;
        match polled {
            Ok((head, syncing)) => {
                strikes = 0;
                if targets.answered(&target, head, syncing, asked.elapsed()) {
                    tracing::info!(target = %target.info.url, head, "target in");
                    joined(&target);
                }
            }
            Err(failure) => {
                strikes += 1;
                let at_once = matches!(failure, Failure::Ask(AskError::Connect));
                if at_once || strikes >= STRIKES {
                    if targets.failed(&target, &failure.to_string()) {
                        tracing::warn!(target = %target.info.url, reason = %failure, "target out");
                    }
                } else {
                    pause = Duration::ZERO;
                }
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = target.removed.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Ask(AskError),
    #[error("its answer is not a node's")]
    NotANode,
    #[error("it answered {0}")]
    Unwell(axum::http::StatusCode),
}

async fn poll(client: &NodeClient, target: &Target, probe: Probe, patience: Duration) -> Result<(u64, bool), Failure> {
    match probe {
        Probe::Node => {
            let question = Bytes::from_static(NODE_QUESTION);
            let asked = client.ask(&target.uri, Method::POST, json_headers(), question, patience);
            let answer = asked.await.map_err(Failure::Ask)?;
            if !answer.status.is_success() {
                return Err(Failure::Unwell(answer.status));
            }
            read_node(&answer.body).ok_or(Failure::NotANode)
        }
        Probe::Page => {
            let url: Uri = format!("{}/health", target.info.url).parse().map_err(|_| Failure::NotANode)?;
            let asked = client.ask(&url, Method::GET, HeaderMap::new(), Bytes::new(), patience);
            let answer = asked.await.map_err(Failure::Ask)?;
            // What answers at all can show its own error page; only a failing service is out.
            if answer.status.is_server_error() { Err(Failure::Unwell(answer.status)) } else { Ok((0, false)) }
        }
    }
}

/// Head and whether the node says it is syncing.
fn read_node(body: &[u8]) -> Option<(u64, bool)> {
    #[derive(Deserialize)]
    struct Reply {
        id: u64,
        #[serde(default)]
        result: serde_json::Value,
    }
    let replies: Vec<Reply> = serde_json::from_slice(body).ok()?;
    let result = |id: u64| replies.iter().find(|reply| reply.id == id).map(|reply| &reply.result);
    let head: U64 = serde_json::from_value(result(0)?.clone()).ok()?;
    let syncing = result(1).is_some_and(serde_json::Value::is_object);
    Some((head.to(), syncing))
}

#[cfg(test)]
mod tests {
    use super::read_node;

    #[test]
    fn a_poll_reads_head_and_syncing_in_any_order() {
        let at = |text: &str| read_node(text.as_bytes());
        assert_eq!(at(r#"[{"id":1,"result":false},{"id":0,"result":"0x10"}]"#), Some((16, false)));
        assert_eq!(at(r#"[{"id":0,"result":"0x0"},{"id":1,"result":{"currentBlock":"0x1"}}]"#), Some((0, true)));
        assert_eq!(at(r#"[{"id":0,"result":"0x5"},{"id":1,"error":{"code":1,"message":"m"}}]"#), Some((5, false)));
        for wrong in ["", "{}", "[]", r#"[{"id":0,"result":null}]"#, r#"[{"id":0,"result":"0xffffffffffffffffff"}]"#] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }
}
