//! The node in the registry: its record is kept alive there, and the nodes listed there are dialled.

use crate::{config::NodeConfig, error::NodeError};
use atoll_chain::Chain;
use atoll_discovery::{Head, NodeInfo, RecordSigner, Registration, RegistryClient, roles};
use atoll_network::NetworkHandle;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// How often listed nodes that are no peers are dialled again: the list may not change when a connection breaks.
const REDIAL: Duration = Duration::from_secs(5);

/// What is registered.
pub struct Registered {
    client: RegistryClient,
    registration: Registration,
}

/// Registers the node, and dials others that register from now on until `stop`.
///
/// # Errors
/// A registry URL that cannot be used, or a record out of bounds.
pub fn start(
    config: &NodeConfig,
    secret: &[u8; 32],
    chain: &Chain,
    network: &NetworkHandle,
    rpc: (SocketAddr, Option<SocketAddr>),
    stop: &CancellationToken,
) -> Result<Option<Registered>, NodeError> {
    if config.peers.registry.is_empty() {
        return Ok(None);
    }
    let client = RegistryClient::new(&config.peers.registry)?;
    let signer = Arc::new(RecordSigner::from_secret(secret)?);
    let heads = chain.clone();
    let head = move || {
        let head = heads.head();
        Head { number: head.number, hash: head.hash, total_difficulty: heads.head_td() }
    };
    let info = describe(config, chain, network, rpc);
    let (network_id, genesis_hash) = (info.network_id, info.genesis_hash);
    let registration = Registration::spawn(client.clone(), signer, &info, head)?;
    let watch = client.watch(network_id, genesis_hash);
    tokio::spawn(dial_others(watch, network.clone(), stop.clone()));
    Ok(Some(Registered { client, registration }))
}

impl Registered {
    /// Says goodbye, so that nobody waits for the lease to run out.
    pub async fn leave(self) {
        if let Err(error) = self.registration.leave().await {
            tracing::debug!(urls = ?self.client.urls(), error = &error as &dyn std::error::Error, "not unregistered");
        }
    }
}

fn describe(
    config: &NodeConfig,
    chain: &Chain,
    network: &NetworkHandle,
    (http, ws): (SocketAddr, Option<SocketAddr>),
) -> NodeInfo {
    let host = &config.rpc.advertise;
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    NodeInfo {
        name: config.name.clone(),
        peer_id: network.local_peer_id().to_string(),
        multiaddrs: advertised(&config.peers.advertise, network),
        rpc: Some(format!("http://{host}:{}", http.port())),
        ws: ws.map(|ws| format!("ws://{host}:{}", ws.port())),
        http: None,
        network_id: config.spec.network_id,
        chain_id: config.spec.chain_id,
        genesis_hash: chain.storage().genesis_hash(),
        roles: vec![if config.mine { roles::MINER } else { roles::CLIENT }.to_owned()],
        client: crate::CLIENT.to_owned(),
    }
}

/// Each transport listened on, under the advertised host; several interfaces of one port come out as one address.
fn advertised(host: &str, network: &NetworkHandle) -> Vec<String> {
    let protocol = match host.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(_)) => "ip4",
        Ok(std::net::IpAddr::V6(_)) => "ip6",
        Err(_) => "dns",
    };
    let mut addresses: Vec<String> = network
        .listen_addrs()
        .iter()
        .filter_map(|address| {
            address.to_string().splitn(4, '/').nth(3).map(|rest| format!("/{protocol}/{host}/{rest}"))
        })
        .collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

async fn dial_others(mut watch: atoll_discovery::NodeWatch, network: NetworkHandle, stop: CancellationToken) {
    let own = network.local_peer_id().to_string();
    let mut entries = watch.current();
    loop {
        let peers: Vec<String> = network.peers().iter().map(|peer| peer.peer_id.to_string()).collect();
        for entry in entries.iter() {
            let info = &entry.record.info;
            if info.peer_id.is_empty() || info.peer_id == own || peers.contains(&info.peer_id) {
                continue;
            }
            for address in &info.multiaddrs {
                // The registry is not trusted with more than addresses: what is no address is passed over.
                if let Ok(address) = format!("{address}/p2p/{}", info.peer_id).parse() {
                    network.dial(address).await;
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = watch.changed() => entries = changed,
            () = tokio::time::sleep(REDIAL) => {}
        }
    }
}
