//! Starting and stopping a node: the order of things, and nothing else.

use crate::{
    config::NodeConfig, control::Control, core::Core, error::NodeError, ethstats, key, metrics, registration, report,
    sync,
};
use atoll_network::{Network, NetworkConfig};
use atoll_rpc::{NodeControl, RpcContext};
use std::{sync::Arc, time::Duration};
use tokio::{runtime::Handle, sync::watch};
use tokio_util::sync::CancellationToken;

/// A little faster than geth: on a network that has just started, peers and hash rates change by the second.
const PACE: ethstats::Pace = ethstats::Pace { full: Duration::from_secs(5), pending: Duration::from_secs(1) };

/// Runs a node until `stop` is cancelled.
///
/// # Errors
/// [`NodeError`] of the part that does not start.
pub async fn run(config: NodeConfig, stop: CancellationToken) -> Result<(), NodeError> {
    let recorder = config.metrics_listen.and_then(|_| metrics::install());
    std::fs::create_dir_all(&config.data_dir)
        .map_err(|source| NodeError::DataDir { path: config.data_dir.clone(), source })?;
    let secret = key::load_or_create(&config.data_dir)?;
    let network_config = network_config(&config)?;
    let target = config.ethstats.as_deref().map(str::parse::<ethstats::EthstatsTarget>).transpose()?;

    let opening = config.clone();
    let core =
        tokio::task::spawn_blocking(move || Core::open(&opening)).await.map_err(|_| NodeError::Part("core"))??;
    // Everything asynchronous ends with this token; the core is closed after it.
    let tasks = stop.child_token();
    let status = sync::local_status(&core.chain);
    let (network, events, network_task) = Network::start(network_config, secret, status, tasks.clone()).await?;
    let (progress, sync_task) =
        sync::start(core.chain.clone(), core.pool.clone(), network.clone(), events, tasks.clone());
    let control = Arc::new(Control {
        network: network.clone(),
        miner: core.miner.clone(),
        pool: core.pool.clone(),
        sync: progress,
        wants_peers: !config.peers.registry.is_empty() || !config.peers.fixed.is_empty(),
        data_dir: config.data_dir.clone(),
        runtime: Handle::current(),
    });
    let context = RpcContext {
        chain: core.chain.clone(),
        pool: core.pool.clone(),
        spec: core.chain.spec().clone(),
        control: control.clone(),
        client_version: crate::CLIENT.to_owned(),
    };
    let rpc = atoll_rpc::serve(config.rpc.config.clone(), context).await?;
    let registered =
        registration::start(&config, &secret, &core.chain, &network, (rpc.local_addr, rpc.ws_addr), &tasks)?;
    if let Some(target) = target {
        let source = report::source(&config, &core, control.clone(), &tasks);
        tokio::spawn(ethstats::run(target, source, PACE, tasks.clone()));
    }
    let metrics_task = serve_metrics(&config, recorder, control, &tasks);

    let ended = tokio::select! {
        () = stop.cancelled() => Ok(()),
        error = metrics_task => Err(error),
    };
    if let Some(registered) = registered {
        registered.leave().await;
    }
    tasks.cancel();
    rpc.stop().await;
    // Both end by the token and are only waited for.
    let _ = tokio::join!(sync_task, network_task);
    tokio::task::spawn_blocking(move || core.shutdown()).await.map_err(|_| NodeError::Part("shutdown"))?;
    ended
}

/// Serves metrics; only ever ends with an error.
async fn serve_metrics(
    config: &NodeConfig,
    recorder: Option<metrics_exporter_prometheus::PrometheusHandle>,
    control: Arc<Control>,
    stop: &CancellationToken,
) -> NodeError {
    let Some((address, recorder)) = config.metrics_listen.zip(recorder) else { return std::future::pending().await };
    match metrics::serve(address, recorder, Arc::new(move || control.ready()), stop.clone()).await {
        Ok(()) => std::future::pending().await,
        Err(source) => NodeError::Metrics { address, source },
    }
}

fn network_config(config: &NodeConfig) -> Result<NetworkConfig, NodeError> {
    let peers = &config.peers;
    let pre_shared_key = peers.psk.as_ref().map(|path| {
        let failed = |source| NodeError::PreSharedKey { path: path.clone(), source };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.into()))?;
        atoll_network::pre_shared_key(&text).map_err(|error| failed(error.into()))
    });
    let pre_shared_key = pre_shared_key.transpose()?;
    let (ip, port) = (peers.listen.ip(), peers.listen.port());
    let protocol = if ip.is_ipv4() { "ip4" } else { "ip6" };
    let mut listen = vec![format!("/{protocol}/{ip}/tcp/{port}")];
    if pre_shared_key.is_none() {
        listen.push(format!("/{protocol}/{ip}/udp/{port}/quic-v1"));
    }
    let address = |given: &String| given.parse().map_err(|_| NodeError::PeerAddress { given: given.clone() });
    let peer_id = |given: &String| given.parse().map_err(|_| NodeError::PeerId { given: given.clone() });
    Ok(NetworkConfig {
        listen: listen.iter().map(address).collect::<Result<_, _>>()?,
        static_peers: peers.fixed.iter().map(address).collect::<Result<_, _>>()?,
        pre_shared_key,
        allowlist: peers.allow.iter().map(peer_id).collect::<Result<_, _>>()?,
        max_peers: peers.max,
        client: crate::CLIENT.to_owned(),
    })
}

/// A receiver that follows the number of the head.
pub(crate) fn follow_number(chain: &atoll_chain::Chain, stop: &CancellationToken) -> watch::Receiver<u64> {
    let (sender, receiver) = watch::channel(chain.head().number);
    let (chain, stop, mut events) = (chain.clone(), stop.clone(), chain.events());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                event = events.recv() => {
                    if matches!(event, Err(tokio::sync::broadcast::error::RecvError::Closed)) {
                        return;
                    }
                    sender.send_replace(chain.head().number);
                }
            }
        }
    });
    receiver
}
