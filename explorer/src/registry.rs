//! The explorer's dealings with the registry: learns the nodes' URLs, announces the pages' URL.
//! Knows no blocks.

use crate::{config::ExplorerConfig, error::ExplorerError, indexer::indexed_head, live::Live, nodes::MAX_NODES};
use alloy_primitives::{B256, hex};
use atoll_discovery::{Entry, Head, NodeInfo, RecordSigner, Registration, RegistryClient, roles};
use std::{
    fs,
    io::{ErrorKind, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long a polite goodbye to the registry may take.
const LEAVE_WAIT: Duration = Duration::from_secs(2);

/// What identifies our network in the registry.
#[derive(Clone, Copy)]
struct Network {
    genesis: B256,
    network_id: u64,
}

/// Watches and announces until cancelled. Which network is ours may only turn out once a node was reached.
///
/// # Errors
/// [`ExplorerError`] when the configuration can never work.
pub async fn attend(
    config: ExplorerConfig,
    address: SocketAddr,
    live: Arc<Live>,
    found: watch::Sender<Vec<String>>,
    stop: CancellationToken,
) -> Result<(), ExplorerError> {
    if config.registry.is_empty() {
        stop.cancelled().await;
        return Ok(());
    }
    let client = RegistryClient::new(&config.registry).map_err(ExplorerError::Registry)?;
    let dir = config.data_dir.clone();
    let signer = tokio::task::spawn_blocking(move || signer(&dir)).await.map_err(|_| ExplorerError::Interrupted)??;
    let Some(network) = until(&live, &stop, |live| network(&config, live)).await else { return Ok(()) };
    let mut nodes = client.watch(network.network_id, network.genesis);
    let mut registration = None;
    let mut status = live.subscribe();
    loop {
        if registration.is_none()
            && let Some(chain_id) = chain_id(&config, &live)
        {
            let info = announcement(&config, address, network, chain_id);
            let (live, signer) = (Arc::clone(&live), Arc::clone(&signer));
            registration = Some(Registration::spawn(client.clone(), signer, &info, move || head(&live))?);
        }
        tokio::select! {
            entries = nodes.changed() => found.send_replace(urls(&entries)).clear(),
            // Only the chain ID is waited for: once announced, the status no longer matters here.
            changed = status.changed(), if registration.is_none() => if changed.is_err() { return Ok(()) },
            () = stop.cancelled() => break,
        }
    }
    if let Some(registration) = registration {
        // Without a goodbye the lease runs out by itself.
        let _ = tokio::time::timeout(LEAVE_WAIT, registration.leave()).await;
    }
    Ok(())
}

async fn until<T>(live: &Live, stop: &CancellationToken, known: impl Fn(&Live) -> Option<T>) -> Option<T> {
    let mut status = live.subscribe();
    loop {
        if let Some(value) = known(live) {
            return Some(value);
        }
        tokio::select! {
            changed = status.changed() => changed.ok()?,
            () = stop.cancelled() => return None,
        }
    }
}

fn network(config: &ExplorerConfig, live: &Live) -> Option<Network> {
    let status = live.status();
    let indexed = status.indexed.as_ref();
    let genesis = config.genesis.or_else(|| Some(indexed?.genesis))?;
    let network_id = config.network_id.or_else(|| Some(indexed?.network?.network_id)).or(status.facts.network_id)?;
    Some(Network { genesis, network_id })
}

fn chain_id(config: &ExplorerConfig, live: &Live) -> Option<u64> {
    let status = live.status();
    config.chain_id.or_else(|| Some(status.indexed?.network?.chain_id)).or(status.facts.chain_id)
}

fn announcement(config: &ExplorerConfig, address: SocketAddr, network: Network, chain_id: u64) -> NodeInfo {
    NodeInfo {
        name: config.name.clone(),
        http: Some(config.advertise.clone().unwrap_or_else(|| format!("http://{address}"))),
        network_id: network.network_id,
        chain_id,
        genesis_hash: network.genesis,
        roles: vec![roles::EXPLORER.to_owned()],
        client: concat!("atoll-explorer/", env!("CARGO_PKG_VERSION")).to_owned(),
        ..NodeInfo::default()
    }
}

fn head(live: &Live) -> Head {
    let head = indexed_head(live);
    Head { number: head.number, hash: head.hash, total_difficulty: head.total_difficulty.unwrap_or_default() }
}

/// The RPC URLs in a list, best head first, so that the bound keeps the useful ones.
fn urls(entries: &[Entry]) -> Vec<String> {
    let mut nodes: Vec<_> = entries
        .iter()
        .filter_map(|entry| {
            let url = entry.record.info.rpc.as_ref().filter(|url| url.starts_with("http"))?;
            Some((std::cmp::Reverse(entry.head.total_difficulty), url.trim_end_matches('/').to_owned()))
        })
        .collect();
    nodes.sort();
    nodes.truncate(MAX_NODES);
    nodes.into_iter().map(|(_, url)| url).collect()
}

/// The key of the registry record, made at the first start.
fn signer(dir: &Path) -> Result<Arc<RecordSigner>, ExplorerError> {
    let path: PathBuf = dir.join("registry.key");
    let failed = |source| ExplorerError::File { path: path.clone(), source };
    let secret = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let text = hex::encode(B256::random());
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&path).map_err(failed)?;
            file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
            text
        }
        Err(error) => return Err(failed(error)),
    };
    // Not a key: the registry's own error says so, without showing it.
    let secret: B256 = secret.trim().parse().unwrap_or(B256::ZERO);
    Ok(Arc::new(RecordSigner::from_secret(&secret)?))
}
