//! The messages peers exchange by request and response, as RLP behind a byte that names the kind.

use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
pub use atoll_primitives::eips::eip1898::HashOrNumber;
use atoll_primitives::{B256, BlockBody, ForkId, Header, PooledTransaction, Receipt, TxHash, U256};

/// Version of the protocol; other versions are refused at the handshake.
pub const PROTOCOL_VERSION: u32 = 1;
/// Most headers in an answer.
pub const MAX_HEADERS: u64 = 512;
/// Most bodies or receipt lists in an answer.
pub const MAX_BODIES: usize = 128;
/// Most pooled transactions asked for or announced at once.
pub const MAX_POOLED: usize = 256;
/// Whoever answers stops adding items after this many bytes; the last item may go beyond.
pub const SOFT_RESPONSE_BYTES: usize = 2 << 20;
/// Most bytes of a response on the wire: the soft limit and one block of EIP-7934's largest size.
pub(crate) const MAX_RESPONSE_BYTES: usize = 16 << 20;
/// Most bytes of a request on the wire.
pub(crate) const MAX_REQUEST_BYTES: usize = 16 << 10;
const MAX_CLIENT: usize = 128;

/// Who a node is and how far it has come. Exchanged on connecting, and again whenever the head moved.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Status {
    /// Protocol version.
    pub version: u32,
    /// Network ID.
    pub network_id: u64,
    /// Hash of the genesis block.
    pub genesis_hash: B256,
    /// EIP-2124.
    pub fork_id: ForkId,
    /// Number of the head.
    pub head_number: u64,
    /// Hash of the head.
    pub head_hash: B256,
    /// Total difficulty of the head.
    pub total_difficulty: U256,
    /// Client name and version.
    pub client: String,
}

/// What a peer may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// "This is my status, what is yours?" Answered by the network itself.
    Status(Status),
    /// Headers along the canonical chain.
    Headers {
        /// First header; a hash may be of a side chain only for a single header.
        start: HashOrNumber,
        /// How many, at most [`MAX_HEADERS`].
        count: u64,
        /// Towards genesis.
        reverse: bool,
    },
    /// Bodies of these blocks, at most [`MAX_BODIES`].
    Bodies(Vec<B256>),
    /// Receipts of these blocks, at most [`MAX_BODIES`].
    Receipts(Vec<B256>),
    /// Transactions of the pool with their sidecars, at most [`MAX_POOLED`].
    PooledTransactions(Vec<TxHash>),
    /// "My pool has these", at most [`MAX_POOLED`]; the answer is empty.
    Announce(Vec<TxHash>),
}

/// What is answered. Items stand in the order asked for, up to the first unknown one or [`SOFT_RESPONSE_BYTES`];
/// pooled transactions that are unknown are left out instead.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each answers the request of its name")]
pub enum Response {
    Status(Status),
    Headers(Vec<Header>),
    Bodies(Vec<BlockBody>),
    Receipts(Vec<Vec<Receipt>>),
    PooledTransactions(Vec<PooledTransaction>),
    Announced,
}

#[derive(RlpEncodable, RlpDecodable)]
struct HeadersQuery {
    start: HashOrNumber,
    count: u64,
    reverse: bool,
}

/// What a request asks for at most: to hold the answer against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Status,
    Headers(usize),
    Bodies(usize),
    Receipts(usize),
    Pooled(usize),
    Announce,
}

impl Request {
    pub(crate) fn asked(&self) -> Asked {
        match self {
            Self::Status(_) => Asked::Status,
            Self::Headers { count, .. } => Asked::Headers(usize::try_from(*count).unwrap_or(usize::MAX)),
            Self::Bodies(hashes) => Asked::Bodies(hashes.len()),
            Self::Receipts(hashes) => Asked::Receipts(hashes.len()),
            Self::PooledTransactions(hashes) => Asked::Pooled(hashes.len()),
            Self::Announce(_) => Asked::Announce,
        }
    }

    /// Whether the bounds are kept that an honest asker keeps.
    pub(crate) fn within_bounds(&self) -> bool {
        match self {
            Self::Status(status) => status.client.len() <= MAX_CLIENT,
            Self::Headers { count, .. } => (1..=MAX_HEADERS).contains(count),
            Self::Bodies(hashes) | Self::Receipts(hashes) => (1..=MAX_BODIES).contains(&hashes.len()),
            Self::PooledTransactions(hashes) | Self::Announce(hashes) => (1..=MAX_POOLED).contains(&hashes.len()),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Status(status) => encoded(0, status),
            Self::Headers { start, count, reverse } => {
                encoded(1, &HeadersQuery { start: *start, count: *count, reverse: *reverse })
            }
            Self::Bodies(hashes) => encoded(2, hashes),
            Self::Receipts(hashes) => encoded(3, hashes),
            Self::PooledTransactions(hashes) => encoded(4, hashes),
            Self::Announce(hashes) => encoded(5, hashes),
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> alloy_rlp::Result<Self> {
        let (kind, rest) = bytes.split_first().ok_or(alloy_rlp::Error::InputTooShort)?;
        let request = match kind {
            0 => Self::Status(whole(rest)?),
            1 => {
                let HeadersQuery { start, count, reverse } = whole(rest)?;
                Self::Headers { start, count, reverse }
            }
            2 => Self::Bodies(whole(rest)?),
            3 => Self::Receipts(whole(rest)?),
            4 => Self::PooledTransactions(whole(rest)?),
            5 => Self::Announce(whole(rest)?),
            _ => return Err(alloy_rlp::Error::Custom("unknown kind of request")),
        };
        if request.within_bounds() { Ok(request) } else { Err(alloy_rlp::Error::Custom("request beyond its bounds")) }
    }
}

impl Response {
    /// Whether this answers what was asked, and with no more than that.
    pub(crate) fn answers(&self, asked: Asked) -> bool {
        match (self, asked) {
            (Self::Status(status), Asked::Status) => status.client.len() <= MAX_CLIENT,
            (Self::Headers(items), Asked::Headers(most)) => items.len() <= most,
            (Self::Bodies(items), Asked::Bodies(most)) => items.len() <= most,
            (Self::Receipts(items), Asked::Receipts(most)) => items.len() <= most,
            (Self::PooledTransactions(items), Asked::Pooled(most)) => items.len() <= most,
            (Self::Announced, Asked::Announce) => true,
            _ => false,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Status(status) => encoded(0, status),
            Self::Headers(items) => encoded(1, items),
            Self::Bodies(items) => encoded(2, items),
            Self::Receipts(items) => encoded(3, items),
            Self::PooledTransactions(items) => encoded(4, items),
            Self::Announced => vec![5],
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> alloy_rlp::Result<Self> {
        let (kind, rest) = bytes.split_first().ok_or(alloy_rlp::Error::InputTooShort)?;
        match kind {
            0 => whole(rest).map(Self::Status),
            1 => whole(rest).map(Self::Headers),
            2 => whole(rest).map(Self::Bodies),
            3 => whole(rest).map(Self::Receipts),
            4 => whole(rest).map(Self::PooledTransactions),
            5 if rest.is_empty() => Ok(Self::Announced),
            _ => Err(alloy_rlp::Error::Custom("unknown kind of response")),
        }
    }
}

fn encoded<T: Encodable>(kind: u8, payload: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + payload.length());
    out.push(kind);
    payload.encode(&mut out);
    out
}

/// Decodes a payload that must use all bytes.
pub(crate) fn whole<T: Decodable>(mut bytes: &[u8]) -> alloy_rlp::Result<T> {
    let value = T::decode(&mut bytes)?;
    if bytes.is_empty() { Ok(value) } else { Err(alloy_rlp::Error::UnexpectedLength) }
}
