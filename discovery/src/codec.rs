//! The RLP of signed messages: how each is laid out, and the bounds every field is held to.
//!
//! A message is a flat list whose first item names the scheme (so that a signature for one kind of message is never
//! valid for another), whose last item is the signature, and everything between is what was signed.

use crate::record::{Head, NodeInfo, RecordError};
use alloy_primitives::{B256, U256};
use k256::ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier};
use rlp::{DecoderError, Rlp, RlpStream};
use sha3::{Digest, Keccak256};

/// Scheme of a node record.
pub(crate) const RECORD_SCHEME: &str = "atoll-record-v1";
/// Scheme of a heartbeat.
pub(crate) const HEARTBEAT_SCHEME: &str = "atoll-heartbeat-v1";
/// Scheme of a leave.
pub(crate) const LEAVE_SCHEME: &str = "atoll-leave-v1";

const MAX_TEXT: usize = 128;
const MAX_URL: usize = 256;
const MAX_ADDRESSES: usize = 8;
const MAX_ROLES: usize = 8;

/// Keccak-256.
pub(crate) fn keccak(data: &[u8]) -> B256 {
    let digest: [u8; 32] = Keccak256::digest(data).into();
    B256::from(digest)
}

/// Appends a signature to an encoded content list: the message that travels.
pub(crate) fn attach(fields: usize, content: &[u8], signature: &[u8; 64]) -> Vec<u8> {
    let mut stream = RlpStream::new_list(fields + 1);
    for item in Rlp::new(content).iter() {
        stream.append_raw(item.as_raw(), 1);
    }
    stream.append(&signature.as_slice());
    stream.out().to_vec()
}

/// Splits a message into its content (as it was signed) and its signature.
pub(crate) fn detach(message: &Rlp<'_>, fields: usize) -> Result<(Vec<u8>, [u8; 64]), RecordError> {
    let signature = fixed::<64>(message, fields, "signature")?;
    let mut stream = RlpStream::new_list(fields);
    for item in message.iter().take(fields) {
        stream.append_raw(item.as_raw(), 1);
    }
    Ok((stream.out().to_vec(), signature))
}

/// Opens a message: its size, its shape, the number of its fields and its scheme.
pub(crate) fn open<'a>(
    bytes: &'a [u8],
    max: usize,
    fields: usize,
    scheme: &'static str,
) -> Result<Rlp<'a>, RecordError> {
    if bytes.len() > max {
        return Err(RecordError::TooLarge { size: bytes.len(), max });
    }
    let message = Rlp::new(bytes);
    let info = message.payload_info()?;
    if info.total() != bytes.len() {
        return Err(RecordError::Rlp(DecoderError::RlpInconsistentLengthAndData));
    }
    let found = message.item_count()?;
    if found != fields + 1 {
        return Err(RecordError::FieldCount { found, expected: fields + 1 });
    }
    let named = message.at(0)?.data()?;
    if named != scheme.as_bytes() {
        return Err(RecordError::Scheme { expected: scheme });
    }
    Ok(message)
}

/// Checks a signature over Keccak-256 of `content`. High-s signatures are refused: with both forms accepted a
/// third party could make a second valid encoding of a record it did not sign.
pub(crate) fn verify(key: &[u8; 33], content: &[u8], signature: &[u8; 64]) -> Result<(), RecordError> {
    let key = VerifyingKey::from_sec1_bytes(key).map_err(|_| RecordError::PublicKey)?;
    let signature = Signature::from_slice(signature).map_err(|_| RecordError::Signature)?;
    if signature.normalize_s() != signature {
        return Err(RecordError::HighS);
    }
    key.verify_prehash(keccak(content).as_slice(), &signature).map_err(|_| RecordError::Signature)
}

/// A field of exactly `N` bytes.
pub(crate) fn fixed<const N: usize>(
    message: &Rlp<'_>,
    index: usize,
    field: &'static str,
) -> Result<[u8; N], RecordError> {
    let data = message.at(index)?.data()?;
    data.try_into().map_err(|_| RecordError::FieldLength { field, found: data.len(), expected: N })
}

pub(crate) fn append_info(stream: &mut RlpStream, info: &NodeInfo) {
    stream.append(&info.name.as_str());
    stream.append(&info.peer_id.as_str());
    stream.append_list::<String, String>(&info.multiaddrs);
    for url in [&info.rpc, &info.ws, &info.http] {
        stream.append(&url.as_deref().unwrap_or_default());
    }
    stream.append(&info.network_id);
    stream.append(&info.chain_id);
    stream.append(&info.genesis_hash.as_slice());
    stream.append_list::<String, String>(&info.roles);
    stream.append(&info.client.as_str());
}

pub(crate) fn read_info(message: &Rlp<'_>, first: usize) -> Result<NodeInfo, RecordError> {
    let info = NodeInfo {
        name: text(message, first, "name", 64)?,
        peer_id: text(message, first + 1, "peer id", MAX_TEXT)?,
        multiaddrs: texts(message, first + 2, "multiaddress", MAX_ADDRESSES, MAX_URL)?,
        rpc: optional(text(message, first + 3, "rpc", MAX_URL)?),
        ws: optional(text(message, first + 4, "ws", MAX_URL)?),
        http: optional(text(message, first + 5, "http", MAX_URL)?),
        network_id: message.val_at(first + 6)?,
        chain_id: message.val_at(first + 7)?,
        genesis_hash: B256::from(fixed::<32>(message, first + 8, "genesis hash")?),
        roles: texts(message, first + 9, "role", MAX_ROLES, 32)?,
        client: text(message, first + 10, "client", MAX_TEXT)?,
    };
    check_info(&info)?;
    Ok(info)
}

/// Bounds on what a record says; also applied before signing, so that nobody signs what all would refuse.
pub(crate) fn check_info(info: &NodeInfo) -> Result<(), RecordError> {
    check_text("name", &info.name, 64)?;
    check_text("peer id", &info.peer_id, MAX_TEXT)?;
    check_text("client", &info.client, MAX_TEXT)?;
    check_count("multiaddress", info.multiaddrs.len(), MAX_ADDRESSES)?;
    check_count("role", info.roles.len(), MAX_ROLES)?;
    if info.name.is_empty() {
        return Err(RecordError::Empty { field: "name" });
    }
    for address in &info.multiaddrs {
        check_text("multiaddress", address, MAX_URL)?;
        if !address.starts_with('/') || address.contains(' ') {
            return Err(RecordError::Multiaddr { value: address.clone() });
        }
    }
    for role in &info.roles {
        check_text("role", role, 32)?;
    }
    check_url("rpc", &info.rpc, ["http://", "https://"])?;
    check_url("ws", &info.ws, ["ws://", "wss://"])?;
    check_url("http", &info.http, ["http://", "https://"])
}

fn check_url(field: &'static str, url: &Option<String>, schemes: [&str; 2]) -> Result<(), RecordError> {
    let Some(url) = url else { return Ok(()) };
    check_text(field, url, MAX_URL)?;
    let known = schemes.iter().any(|scheme| url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
    // Pages and proxies print these: a quote or an angle bracket has no business in them.
    if !known || url.contains([' ', '"', '\'', '<', '>', '\\', '`']) {
        return Err(RecordError::Url { field, value: url.clone() });
    }
    Ok(())
}

fn check_count(field: &'static str, found: usize, max: usize) -> Result<(), RecordError> {
    if found > max { Err(RecordError::TooMany { field, found, max }) } else { Ok(()) }
}

fn check_text(field: &'static str, value: &str, max: usize) -> Result<(), RecordError> {
    if value.len() > max {
        return Err(RecordError::TooLong { field, found: value.len(), max });
    }
    // Records end up in logs and terminals: control characters could forge lines there.
    if value.chars().any(char::is_control) {
        return Err(RecordError::ControlCharacter { field });
    }
    Ok(())
}

fn text(message: &Rlp<'_>, index: usize, field: &'static str, max: usize) -> Result<String, RecordError> {
    read_text(&message.at(index)?, field, max)
}

fn read_text(item: &Rlp<'_>, field: &'static str, max: usize) -> Result<String, RecordError> {
    let data = item.data()?;
    if data.len() > max {
        return Err(RecordError::TooLong { field, found: data.len(), max });
    }
    std::str::from_utf8(data).map(str::to_owned).map_err(|_| RecordError::NotText { field })
}

fn texts(
    message: &Rlp<'_>,
    index: usize,
    field: &'static str,
    count: usize,
    max: usize,
) -> Result<Vec<String>, RecordError> {
    let list = message.at(index)?;
    check_count(field, list.item_count()?, count)?;
    list.iter().map(|item| read_text(&item, field, max)).collect()
}

fn optional(text: String) -> Option<String> {
    if text.is_empty() { None } else { Some(text) }
}

pub(crate) fn append_head(stream: &mut RlpStream, head: &Head) {
    stream.append(&head.number);
    stream.append(&head.hash.as_slice());
    stream.append(&head.total_difficulty.to_be_bytes_trimmed_vec().as_slice());
}

pub(crate) fn read_head(message: &Rlp<'_>, first: usize) -> Result<Head, RecordError> {
    let difficulty = message.at(first + 2)?.data()?;
    if difficulty.len() > 32 || difficulty.first() == Some(&0) {
        let found = difficulty.len();
        return Err(RecordError::FieldLength { field: "total difficulty", found, expected: 32 });
    }
    Ok(Head {
        number: message.val_at(first)?,
        hash: B256::from(fixed::<32>(message, first + 1, "head hash")?),
        total_difficulty: U256::from_be_slice(difficulty),
    })
}
