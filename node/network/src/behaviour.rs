//! The libp2p swarm: transports, protocols and connection limits put together.

use crate::codec::Codec;
use crate::config::NetworkConfig;
use crate::error::NetworkError;
use crate::gossip::{self, Topics};
use libp2p::allow_block_list::{self, AllowedPeers};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::pnet::{PnetConfig, PreSharedKey};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{NetworkBehaviour, Swarm};
use libp2p::{Multiaddr, StreamProtocol, SwarmBuilder, Transport, gossipsub, identify, noise, ping, tcp, yamux};
use std::time::Duration;

const REQUEST_PROTOCOL: StreamProtocol = StreamProtocol::new("/atoll/sync/1");
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// Requests of one connection under way at once, in both directions; further ones fail.
const MOST_STREAMS: usize = 64;
/// A dead link is noticed after two missed pings.
const PING_EVERY: Duration = Duration::from_secs(5);
/// Gossip and status keep the link; nothing closes an idle one.
const IDLE: Duration = Duration::from_secs(365 * 86_400);

/// All protocols a node speaks.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    // The first two stand first: they refuse a connection before the others set anything up for it.
    pub limits: connection_limits::Behaviour,
    pub allowed: Toggle<allow_block_list::Behaviour<AllowedPeers>>,
    pub identify: identify::Behaviour,
    pub ping: ping::Behaviour,
    pub gossipsub: gossipsub::Behaviour,
    pub requests: request_response::Behaviour<Codec>,
}

fn behaviour(key: &Keypair, config: &NetworkConfig, topics: &Topics) -> Result<Behaviour, NetworkError> {
    let most = u32::try_from(config.max_peers).unwrap_or(u32::MAX);
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(64))
        .with_max_pending_outgoing(Some(64))
        // Two peers that dial each other at once have two connections; refusing one could cut both.
        .with_max_established_per_peer(Some(2))
        .with_max_established_incoming(Some(most.saturating_add(8)));
    let allowed = (!config.allowlist.is_empty()).then(|| {
        let mut allowed = allow_block_list::Behaviour::<AllowedPeers>::default();
        config.allowlist.iter().for_each(|peer| {
            allowed.allow_peer(*peer);
        });
        allowed
    });
    let identify = identify::Config::new("/atoll/1".into(), key.public())
        .with_agent_version(config.client.clone())
        .with_push_listen_addr_updates(false);
    let timing = request_response::Config::default()
        .with_request_timeout(REQUEST_TIMEOUT)
        .with_max_concurrent_streams(MOST_STREAMS);
    Ok(Behaviour {
        limits: connection_limits::Behaviour::new(limits),
        allowed: allowed.into(),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_EVERY).with_timeout(PING_EVERY)),
        gossipsub: gossip::behaviour(key, topics).map_err(NetworkError::Transport)?,
        requests: request_response::Behaviour::with_codec(Codec, [(REQUEST_PROTOCOL, ProtocolSupport::Full)], timing),
    })
}

/// Builds the swarm, not yet listening.
pub(crate) fn swarm(key: Keypair, config: &NetworkConfig, topics: &Topics) -> Result<Swarm<Behaviour>, NetworkError> {
    let behaviour = behaviour(&key, config, topics)?;
    match config.pre_shared_key {
        Some(psk) => with_pre_shared_key(key, psk, behaviour),
        None => open(key, behaviour),
    }
}

fn failed(error: impl std::fmt::Display) -> NetworkError {
    NetworkError::Transport(error.to_string())
}

fn open(key: Keypair, behaviour: Behaviour) -> Result<Swarm<Behaviour>, NetworkError> {
    Ok(SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(failed)?
        .with_quic()
        .with_dns()
        .map_err(failed)?
        .with_behaviour(|_| behaviour)
        .map_err(failed)?
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE))
        .build())
}

/// TCP only: QUIC has its own encryption below the layer where the key would apply.
fn with_pre_shared_key(
    key: Keypair,
    psk: PreSharedKey,
    behaviour: Behaviour,
) -> Result<Swarm<Behaviour>, NetworkError> {
    Ok(SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_other_transport(|key| {
            let noise = noise::Config::new(key)?;
            let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
            let protected = tcp.and_then(move |socket, _| PnetConfig::new(psk).handshake(socket));
            Ok(protected.upgrade(Version::V1Lazy).authenticate(noise).multiplex(yamux::Config::default()))
        })
        .map_err(failed)?
        .with_dns()
        .map_err(failed)?
        .with_behaviour(|_| behaviour)
        .map_err(failed)?
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE))
        .build())
}

/// Whether an address is one that a pre-shared key cannot protect.
pub(crate) fn is_quic(address: &Multiaddr) -> bool {
    address.iter().any(|part| matches!(part, Protocol::Quic | Protocol::QuicV1))
}
