//! Signs a participant's own records, heartbeats and leaves. The secret key never leaves this file.

use crate::codec;
use crate::record::{Head, Heartbeat, Leave, NodeInfo, NodeRecord, RecordError};
use alloy_primitives::B256;
use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Keccak-256 of the 64-byte public key: the node's identity.
///
/// # Errors
/// [`RecordError::PublicKey`] when the bytes are no compressed point of the curve.
pub fn node_id(public_key: &[u8; 33]) -> Result<B256, RecordError> {
    let key = VerifyingKey::from_sec1_bytes(public_key).map_err(|_| RecordError::PublicKey)?;
    // The first byte only says "uncompressed".
    key.to_sec1_point(false).as_bytes().get(1..).map(codec::keccak).ok_or(RecordError::PublicKey)
}

/// A participant's secp256k1 key, and the counter that makes its heartbeats unrepeatable.
pub struct RecordSigner {
    key: SigningKey,
    public: [u8; 33],
    id: B256,
    counter: AtomicU64,
}

impl std::fmt::Debug for RecordSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordSigner").field("id", &self.id).finish_non_exhaustive()
    }
}

impl RecordSigner {
    /// From a secret key of 32 bytes, big endian; the same as the node's libp2p identity where it has one.
    ///
    /// # Errors
    /// [`RecordError::SecretKey`] for zero or a value beyond the curve's order.
    pub fn from_secret(secret: &[u8; 32]) -> Result<Self, RecordError> {
        let key = SigningKey::from_slice(secret).map_err(|_| RecordError::SecretKey)?;
        let point = key.verifying_key().to_sec1_point(true);
        let public: [u8; 33] = point.as_bytes().try_into().map_err(|_| RecordError::PublicKey)?;
        let id = node_id(&public)?;
        Ok(Self { key, public, id, counter: AtomicU64::new(0) })
    }

    /// The node's identity.
    pub fn id(&self) -> B256 {
        self.id
    }

    /// The compressed public key.
    pub fn public_key(&self) -> &[u8; 33] {
        &self.public
    }

    /// Signs a record.
    ///
    /// # Errors
    /// [`RecordError`] when `info` breaks a bound every registry would refuse it for.
    pub fn record(&self, seq: u64, info: &NodeInfo) -> Result<NodeRecord, RecordError> {
        let (fields, content) = NodeRecord::content(seq, &self.public, info)?;
        NodeRecord::decode(&self.sign(fields, &content))
    }

    /// A sequence number for a record made now: milliseconds since 1970, so that a restarted node outranks its past.
    pub fn seq_now() -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(1, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Signs a heartbeat, encoded.
    pub fn heartbeat(&self, head: &Head) -> Vec<u8> {
        let (fields, content) = Heartbeat::content(self.id, self.next_counter(), head);
        self.sign(fields, &content)
    }

    /// Signs a leave, encoded.
    pub fn leave(&self) -> Vec<u8> {
        let (fields, content) = Leave::content(self.id, self.next_counter());
        self.sign(fields, &content)
    }

    /// Moves the counter past one a registry has already seen (the clock was set back).
    pub fn advance_counter(&self, seen: u64) {
        self.counter.fetch_max(seen, Ordering::SeqCst);
    }

    fn next_counter(&self) -> u64 {
        // Clock time keeps it growing over restarts, the stored value within a millisecond.
        let now = Self::seq_now();
        let bump = |last: u64| now.max(last.saturating_add(1));
        let last = self.counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |last| Some(bump(last)));
        bump(last.unwrap_or_else(|last| last))
    }

    fn sign(&self, fields: usize, content: &[u8]) -> Vec<u8> {
        let (signature, _): (Signature, RecoveryId) =
            self.key.sign_prehash_recoverable(codec::keccak(content).as_slice());
        codec::attach(fields, content, &signature.normalize_s().to_bytes().into())
    }
}
