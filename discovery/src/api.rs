//! The JSON of the registry's HTTP interface, shared by server and client. Byte strings are `0x` hex.

use crate::record::{Entry, Head, NodeInfo, NodeRecord, RecordError};
use alloy_primitives::{B256, Bytes};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Body of `POST /v1/records`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RegisterRequest {
    /// The encoded record.
    pub record: Bytes,
    /// An encoded heartbeat: proves that the key's holder registers now, not somebody with a copy of the record.
    pub heartbeat: Bytes,
}

/// Body of `POST /v1/heartbeat`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HeartbeatRequest {
    /// The encoded heartbeat.
    pub heartbeat: Bytes,
}

/// Body of `DELETE /v1/records`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LeaveRequest {
    /// The encoded leave.
    pub leave: Bytes,
}

/// Answer to a registration or heartbeat.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Lease {
    /// Milliseconds until the lease ends unless renewed.
    pub ttl_ms: u64,
}

/// One participant in a list or a watch event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EntryJson {
    /// Its identity.
    pub id: B256,
    /// The encoded record; readers verify it themselves and trust nothing else about the node.
    pub record: Bytes,
    /// The record's sequence number.
    pub seq: u64,
    /// What the record says, for people with curl.
    pub info: NodeInfo,
    /// Its head.
    pub head: Head,
    /// What is left of its lease, in milliseconds.
    pub expires_in_ms: u64,
}

impl EntryJson {
    pub(crate) fn new(record: &NodeRecord, head: Head, expires_in: Duration) -> Self {
        Self {
            id: record.id(),
            record: record.encoded().to_vec().into(),
            seq: record.seq,
            info: record.info.clone(),
            head,
            expires_in_ms: u64::try_from(expires_in.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Verifies the record's signature.
    ///
    /// # Errors
    /// [`RecordError`] for a record the registry should never have listed.
    pub fn verify(self) -> Result<Entry, RecordError> {
        let record = NodeRecord::decode(&self.record)?;
        Ok(Entry { record, head: self.head, expires_in: Duration::from_millis(self.expires_in_ms) })
    }
}

/// Answer of `GET /v1/networks/{network_id}/{genesis_hash}/nodes`, and the data of a `snapshot` event.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct NodeList {
    /// Live participants, in order of their identity.
    pub nodes: Vec<EntryJson>,
}

/// Data of a `leave` event.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Departure {
    /// Who left.
    pub id: B256,
}

/// What the registry counts since it started, at `/v1/status`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Live participants on all networks.
    pub live: usize,
    /// Records kept, live or not.
    pub records: usize,
    /// Networks with a live participant.
    pub networks: usize,
    /// Open watches.
    pub watchers: usize,
    /// Registrations accepted.
    pub registrations: u64,
    /// Heartbeats accepted.
    pub heartbeats: u64,
    /// Leaves accepted.
    pub leaves: u64,
    /// Leases that ran out.
    pub expirations: u64,
    /// Requests refused.
    pub refusals: u64,
}

/// Why a request was refused, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request or a message in it is malformed or wrongly signed.
    Invalid,
    /// A record with this or a higher sequence number is known.
    StaleSeq,
    /// A heartbeat or leave with this or a higher counter was seen.
    StaleCounter,
    /// No live lease: register first.
    UnknownNode,
    /// No room for more participants.
    Full,
    /// Too many requests or watches at once.
    Busy,
    /// The registry cannot store.
    Internal,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// The number the registry has, for [`ErrorCode::StaleSeq`] and [`ErrorCode::StaleCounter`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<u64>,
    /// The number that was offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<u64>,
}

impl ApiError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), stored: None, offered: None }
    }

    pub(crate) fn stale(code: ErrorCode, what: &str, stored: u64, offered: u64) -> Self {
        let message = format!("{what} {offered} is not above {stored}, which is stored");
        Self { code, message, stored: Some(stored), offered: Some(offered) }
    }
}
