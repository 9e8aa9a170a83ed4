//! What the network is started with.

pub use libp2p::pnet::PreSharedKey;
use libp2p::{Multiaddr, PeerId};

/// Configuration of the network. The secret key is given apart, so that this can be logged.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// Addresses to listen on, such as `/ip4/0.0.0.0/tcp/30303`; port 0 picks a free one. QUIC addresses are
    /// refused when a pre-shared key is set, because the key protects TCP only.
    pub listen: Vec<Multiaddr>,
    /// Peers to stay connected to: dialled again with growing pauses for ever, and outside the limit of peers.
    pub static_peers: Vec<Multiaddr>,
    /// Only who has this key can connect (libp2p pnet).
    pub pre_shared_key: Option<PreSharedKey>,
    /// Only these peers may connect; empty allows all.
    pub allowlist: Vec<PeerId>,
    /// Most peers at once; further ones are disconnected.
    pub max_peers: usize,
    /// Client name and version told to peers.
    pub client: String,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            static_peers: Vec::new(),
            pre_shared_key: None,
            allowlist: Vec::new(),
            max_peers: 50,
            client: concat!("atoll/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// A text that is no pre-shared key. It does not repeat the text: that may be most of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pre-shared key is 64 hex digits, or libp2p's key file /key/swarm/psk/1.0.0/ with /base16/")]
pub struct PreSharedKeyError;

/// Reads a pre-shared key: 64 hex digits, or the text of a libp2p key file.
///
/// # Errors
/// [`PreSharedKeyError`].
pub fn pre_shared_key(text: &str) -> Result<PreSharedKey, PreSharedKeyError> {
    let text = text.trim();
    if text.starts_with("/key/") {
        return text.parse().map_err(|_| PreSharedKeyError);
    }
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let bytes = atoll_primitives::hex::decode_to_array::<_, 32>(digits).map_err(|_| PreSharedKeyError)?;
    Ok(PreSharedKey::new(bytes))
}
