//! The signed messages: node records, heartbeats and leaves.
//!
//! The idea is EIP-778's: content signed by the node's own key, so that whoever passes it on cannot change it. A
//! value of these types exists only if its signature was checked or made here.

use crate::codec::{self, HEARTBEAT_SCHEME, LEAVE_SCHEME, RECORD_SCHEME};
use crate::signer::node_id;
use alloy_primitives::{B256, U256};
use rlp::{DecoderError, RlpStream};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Most bytes of an encoded record.
pub const MAX_RECORD_BYTES: usize = 4096;
/// Most bytes of an encoded heartbeat or leave.
pub(crate) const MAX_BEAT_BYTES: usize = 256;

const RECORD_FIELDS: usize = 14;
const HEARTBEAT_FIELDS: usize = 6;
const LEAVE_FIELDS: usize = 3;

/// Roles a record may name. Others are passed on untouched.
pub mod roles {
    /// A node of any kind; answers JSON-RPC if the record has its URL.
    pub const NODE: &str = "node";
    /// Follows the chain without producing blocks.
    pub const CLIENT: &str = "client";
    /// Produces blocks.
    pub const MINER: &str = "miner";
    /// Serves the explorer's pages at the record's HTTP URL.
    pub const EXPLORER: &str = "explorer";
    /// Serves the stats page at the record's HTTP URL.
    pub const STATS: &str = "stats";
    /// Serves everything behind one address.
    pub const BALANCER: &str = "balancer";
}

/// Why a record, heartbeat or leave is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "every field is named in its variant's message")]
pub enum RecordError {
    /// Larger than any honest message.
    #[error("message has {size} bytes; the most is {max}")]
    TooLarge { size: usize, max: usize },
    /// Not RLP, or an item of the wrong kind.
    #[error("not valid RLP: {0}")]
    Rlp(#[from] DecoderError),
    /// The list has the wrong number of items.
    #[error("message has {found} fields instead of {expected}")]
    FieldCount { found: usize, expected: usize },
    /// Another kind or version of message.
    #[error("message is not of scheme {expected}")]
    Scheme { expected: &'static str },
    /// A field of fixed length has another.
    #[error("{field} has {found} bytes instead of {expected}")]
    FieldLength { field: &'static str, found: usize, expected: usize },
    /// A text is too long.
    #[error("{field} has {found} bytes; the most is {max}")]
    TooLong { field: &'static str, found: usize, max: usize },
    /// A list is too long.
    #[error("{found} values of {field}; the most is {max}")]
    TooMany { field: &'static str, found: usize, max: usize },
    /// A text is not UTF-8.
    #[error("{field} is not UTF-8")]
    NotText { field: &'static str },
    /// A text holds a control character.
    #[error("{field} holds a control character")]
    ControlCharacter { field: &'static str },
    /// A field that must not be empty is.
    #[error("{field} is empty")]
    Empty { field: &'static str },
    /// A URL of the wrong scheme or with characters no URL has.
    #[error("{field} is not a URL of its kind: {value}")]
    Url { field: &'static str, value: String },
    /// Not a multiaddress.
    #[error("not a multiaddress: {value}")]
    Multiaddr { value: String },
    /// The public key is not a point of secp256k1.
    #[error("the public key is not a compressed secp256k1 point")]
    PublicKey,
    /// The signature is of another key or other content.
    #[error("the signature does not match the content")]
    Signature,
    /// The signature's s is in the upper half.
    #[error("the signature's s value is high; only the low form is accepted")]
    HighS,
    /// A secret key outside 1..n.
    #[error("the secret key is not a valid secp256k1 scalar")]
    SecretKey,
}

/// What a participant says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Name shown to people, at most 64 bytes.
    pub name: String,
    /// libp2p peer ID; empty for services that are no peers.
    #[serde(default)]
    pub peer_id: String,
    /// libp2p addresses to dial, at most 8.
    #[serde(default)]
    pub multiaddrs: Vec<String>,
    /// JSON-RPC over HTTP.
    #[serde(default)]
    pub rpc: Option<String>,
    /// JSON-RPC over WebSocket.
    #[serde(default)]
    pub ws: Option<String>,
    /// Web pages: explorer, stats.
    #[serde(default)]
    pub http: Option<String>,
    /// Network ID.
    pub network_id: u64,
    /// EIP-155 chain ID.
    pub chain_id: u64,
    /// Hash of the genesis block.
    pub genesis_hash: B256,
    /// What it does: see [`roles`].
    #[serde(default)]
    pub roles: Vec<String>,
    /// Client and version.
    #[serde(default)]
    pub client: String,
}

/// The newest block a participant knows; all zero for services without a chain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Block number.
    pub number: u64,
    /// Block hash.
    pub hash: B256,
    /// Total difficulty of the chain up to this block.
    pub total_difficulty: U256,
}

/// A verified record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    /// Grows whenever the content changes; of two records of one node the higher counts.
    pub seq: u64,
    /// What it says.
    pub info: NodeInfo,
    id: B256,
    key: [u8; 33],
    encoded: Vec<u8>,
}

impl NodeRecord {
    pub(crate) fn content(seq: u64, key: &[u8; 33], info: &NodeInfo) -> Result<(usize, Vec<u8>), RecordError> {
        codec::check_info(info)?;
        let mut stream = RlpStream::new_list(RECORD_FIELDS);
        stream.append(&RECORD_SCHEME).append(&seq).append(&key.as_slice());
        codec::append_info(&mut stream, info);
        Ok((RECORD_FIELDS, stream.out().to_vec()))
    }

    /// Reads and verifies a record.
    ///
    /// # Errors
    /// [`RecordError`] for the first rule it breaks.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let message = codec::open(bytes, MAX_RECORD_BYTES, RECORD_FIELDS, RECORD_SCHEME)?;
        let seq = message.val_at(1)?;
        let key = codec::fixed::<33>(&message, 2, "public key")?;
        let info = codec::read_info(&message, 3)?;
        let (content, signature) = codec::detach(&message, RECORD_FIELDS)?;
        codec::verify(&key, &content, &signature)?;
        let id = node_id(&key)?;
        Ok(Self { seq, info, id, key, encoded: bytes.to_vec() })
    }

    /// The RLP with the signature.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Keccak-256 of the uncompressed public key (EIP-778's `v4` identity): who signed.
    pub fn id(&self) -> B256 {
        self.id
    }

    /// The compressed public key.
    pub fn public_key(&self) -> &[u8; 33] {
        &self.key
    }

    /// Whether the record names this role.
    pub fn has_role(&self, role: &str) -> bool {
        self.info.roles.iter().any(|named| named == role)
    }
}

/// "Still here, and this is my head": renews a lease. Valid only with the key of the record it renews.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// Who sends it; the signature is checked against this node's record.
    pub id: B256,
    /// Grows with every signed heartbeat or leave of a node: a copy sent again is refused.
    pub counter: u64,
    /// The sender's head.
    pub head: Head,
    content: Vec<u8>,
    signature: [u8; 64],
}

impl Heartbeat {
    pub(crate) fn content(id: B256, counter: u64, head: &Head) -> (usize, Vec<u8>) {
        let mut stream = RlpStream::new_list(HEARTBEAT_FIELDS);
        stream.append(&HEARTBEAT_SCHEME).append(&id.as_slice()).append(&counter);
        codec::append_head(&mut stream, head);
        (HEARTBEAT_FIELDS, stream.out().to_vec())
    }

    /// Reads a heartbeat; [`Self::verify`] still has to be called with the sender's key.
    ///
    /// # Errors
    /// [`RecordError`] for the first rule it breaks.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let message = codec::open(bytes, MAX_BEAT_BYTES, HEARTBEAT_FIELDS, HEARTBEAT_SCHEME)?;
        let id = B256::from(codec::fixed::<32>(&message, 1, "node id")?);
        let counter = message.val_at(2)?;
        let head = codec::read_head(&message, 3)?;
        let (content, signature) = codec::detach(&message, HEARTBEAT_FIELDS)?;
        Ok(Self { id, counter, head, content, signature })
    }

    /// Checks that the holder of `key` signed it.
    ///
    /// # Errors
    /// [`RecordError::Signature`], [`RecordError::HighS`], [`RecordError::PublicKey`].
    pub fn verify(&self, key: &[u8; 33]) -> Result<(), RecordError> {
        codec::verify(key, &self.content, &self.signature)
    }
}

/// "I am going": ends a lease at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leave {
    /// Who goes.
    pub id: B256,
    /// Shares its sequence with [`Heartbeat::counter`].
    pub counter: u64,
    content: Vec<u8>,
    signature: [u8; 64],
}

impl Leave {
    pub(crate) fn content(id: B256, counter: u64) -> (usize, Vec<u8>) {
        let mut stream = RlpStream::new_list(LEAVE_FIELDS);
        stream.append(&LEAVE_SCHEME).append(&id.as_slice()).append(&counter);
        (LEAVE_FIELDS, stream.out().to_vec())
    }

    /// Reads a leave; [`Self::verify`] still has to be called with the sender's key.
    ///
    /// # Errors
    /// [`RecordError`] for the first rule it breaks.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let message = codec::open(bytes, MAX_BEAT_BYTES, LEAVE_FIELDS, LEAVE_SCHEME)?;
        let id = B256::from(codec::fixed::<32>(&message, 1, "node id")?);
        let counter = message.val_at(2)?;
        let (content, signature) = codec::detach(&message, LEAVE_FIELDS)?;
        Ok(Self { id, counter, content, signature })
    }

    /// Checks that the holder of `key` signed it.
    ///
    /// # Errors
    /// [`RecordError::Signature`], [`RecordError::HighS`], [`RecordError::PublicKey`].
    pub fn verify(&self, key: &[u8; 33]) -> Result<(), RecordError> {
        codec::verify(key, &self.content, &self.signature)
    }
}

/// A live participant as a registry lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its verified record.
    pub record: NodeRecord,
    /// Its head as of its last heartbeat.
    pub head: Head,
    /// What is left of its lease.
    pub expires_in: Duration,
}
