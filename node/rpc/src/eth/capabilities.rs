//! `eth_capabilities` (execution-apis): which data this node has, from which block on.

use crate::context::Node;
use atoll_primitives::{B256, U64};
use serde::Serialize;

/// What a node can answer about.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CapabilitiesJson {
    head: HeadJson,
    state: ResourceJson,
    tx: ResourceJson,
    logs: ResourceJson,
    receipts: ResourceJson,
    blocks: ResourceJson,
    stateproofs: ResourceJson,
}

#[derive(Debug, Clone, Serialize)]
struct HeadJson {
    number: U64,
    hash: B256,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceJson {
    disabled: bool,
    oldest_block: U64,
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_strategy: Option<WindowJson>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "window", rename_all = "camelCase")]
struct WindowJson {
    retention_blocks: U64,
}

impl Node {
    /// Blocks, receipts, the index of transactions and the history of the state are never deleted. Tries are kept for
    /// the newest persisted state and those above it, so that proofs reach back a window.
    pub(super) fn capabilities(&self) -> CapabilitiesJson {
        let (head, storage) = (self.head(), self.storage());
        let everything = || ResourceJson { disabled: false, oldest_block: U64::ZERO, delete_strategy: None };
        let window = WindowJson { retention_blocks: U64::from(storage.flush_depth()) };
        let oldest_block = U64::from(storage.base().number);
        CapabilitiesJson {
            head: HeadJson { number: U64::from(head.number), hash: head.hash },
            state: everything(),
            tx: everything(),
            logs: everything(),
            receipts: everything(),
            blocks: everything(),
            stateproofs: ResourceJson { disabled: false, oldest_block, delete_strategy: Some(window) },
        }
    }
}
