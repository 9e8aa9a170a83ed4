//! The subcommands that run one part of the network: flags become that part's configuration, nothing more.

use crate::{
    cli::{
        Command, LogArgs,
        node::NodeArgs,
        services::{self, BalancerArgs, DiscoveryArgs, ExplorerArgs, FindArgs, StatsArgs},
    },
    data_slots, genesis_command, logging, open_files, rpc_options, shutdown,
};
use atoll_balancer::BalancerConfig;
use atoll_discovery::RegistryConfig;
use atoll_explorer::ExplorerConfig;
use atoll_node::{MinerOptions, NodeConfig, PeerOptions, RpcOptions};
use atoll_primitives::ChainSpec;
use atoll_stats::StatsConfig;
use std::{error::Error, net::SocketAddr, process::ExitCode, time::Duration};

type BoxError = Box<dyn Error>;

/// Runs the part until it is told to stop.
///
/// # Errors
/// What the part says.
pub async fn run(command: Command, log: &LogArgs) -> Result<ExitCode, BoxError> {
    logging::init(log)?;
    let stop = shutdown::token(log.stop_with_stdin)?;
    match command {
        Command::Node(args) => node(*args, stop).await?,
        Command::Discovery(args) => discovery(args, stop).await?,
        Command::Explorer(args) => explorer(args, stop).await?,
        Command::Stats(args) => stats(args, stop).await?,
        Command::Balancer(args) => balancer(args, stop).await?,
        other => unreachable!("{other:?} is not a service"),
    }
    Ok(ExitCode::SUCCESS)
}

type Stop = tokio_util::sync::CancellationToken;

async fn discovery(args: DiscoveryArgs, stop: Stop) -> Result<(), BoxError> {
    let config = RegistryConfig {
        listen: args.listen,
        data_dir: args.data_dir,
        lease_ttl: Duration::from_secs(args.lease),
        ..RegistryConfig::default()
    };
    Ok(atoll_discovery::server::run(config, stop).await?)
}

/// The chain that a genesis file describes, under the network ID asked for.
fn spec(path: &std::path::Path, network_id: Option<u64>) -> Result<ChainSpec, BoxError> {
    let (_, mut spec) = genesis_command::read(path)?;
    spec.network_id = network_id.unwrap_or(spec.network_id);
    Ok(spec)
}

fn find(args: &FindArgs) -> Result<ChainSpec, BoxError> {
    spec(&args.genesis, args.network_id)
}

fn name(told: Option<String>) -> String {
    told.unwrap_or_else(services::host_name)
}

fn page_url(args: &FindArgs, listen: SocketAddr) -> String {
    let host = services::advertised(args.advertise.as_deref(), listen.ip());
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    format!("http://{host}:{}", listen.port())
}

async fn explorer(args: ExplorerArgs, stop: Stop) -> Result<(), BoxError> {
    let spec = find(&args.find)?;
    let config = ExplorerConfig {
        listen: args.listen,
        data_dir: args.data_dir,
        advertise: Some(page_url(&args.find, args.listen)),
        registry: args.find.registry,
        rpc: args.rpc,
        network_id: Some(spec.network_id),
        chain_id: Some(spec.chain_id),
        genesis: Some(spec.genesis_header().hash),
        name: args.find.name.unwrap_or_else(|| "Atoll explorer".to_owned()),
        ..ExplorerConfig::default()
    };
    Ok(atoll_explorer::run(config, stop).await?)
}

async fn stats(args: StatsArgs, stop: Stop) -> Result<(), BoxError> {
    let spec = find(&args.find)?;
    let config = StatsConfig {
        secret: args.stats_secret,
        public_url: Some(page_url(&args.find, args.listen)),
        registries: args.find.registry,
        name: name(args.find.name),
        network_id: spec.network_id,
        chain_id: spec.chain_id,
        genesis_hash: spec.genesis_header().hash,
        ..StatsConfig::new(args.listen)
    };
    Ok(atoll_stats::run(config, stop).await?)
}

async fn balancer(args: BalancerArgs, stop: Stop) -> Result<(), BoxError> {
    let spec = find(&args.find)?;
    let config = BalancerConfig {
        explorer_listen: args.explorer_listen,
        stats_listen: args.stats_listen,
        registries: args.find.registry,
        nodes: args.rpc,
        network_id: spec.network_id,
        genesis_hash: spec.genesis_header().hash,
        lag_blocks: args.max_lag,
        ..BalancerConfig::new(args.rpc_listen)
    };
    Ok(atoll_balancer::run(config, stop).await?)
}

async fn node(args: NodeArgs, stop: Stop) -> Result<(), BoxError> {
    let genesis = args.genesis.as_deref().ok_or(
        "a node needs a genesis file: --genesis FILE (write one with `atoll genesis new`, or run `atoll up` for a whole network)",
    )?;
    let spec = spec(genesis, args.network_id)?;
    // The lock is held until the node has stopped.
    let (data_dir, _slot) = if args.data_slots {
        let (dir, lock) = data_slots::take(&args.data_dir)?;
        (dir, Some(lock))
    } else {
        (args.data_dir.clone(), None)
    };
    let config = node_config(args, spec, data_dir)?;
    open_files::raise(config.rpc.config.max_connections);
    Ok(atoll_node::run(config, stop).await?)
}

fn node_config(args: NodeArgs, spec: ChainSpec, data_dir: std::path::PathBuf) -> Result<NodeConfig, BoxError> {
    if args.mine && args.miner_account.is_none() {
        return Err("--mine needs --miner.account ADDRESS: who receives the rewards".into());
    }
    let name = name(args.name.clone());
    let rpc_advertise = args.advertised(rpc_options::http_address(&args.rpc).ip());
    let own_name = |url: String| if url.starts_with(':') { format!("{name}{url}") } else { url };
    Ok(NodeConfig {
        spec,
        data_dir,
        name: name.clone(),
        engine: args.db.parse()?,
        cache_bytes: args.db_cache << 20,
        prune: args.prune,
        index_addresses: args.index_addresses,
        mine: args.mine,
        gas_price: args.gas_price.into(),
        pool_pending: args.txpool_pending,
        pool_queued: args.txpool_queued,
        ethstats: args.ethstats.clone().filter(|url| !url.is_empty()).map(own_name),
        metrics_listen: args.metrics_listen,
        rpc: RpcOptions { config: rpc_options::config(&args.rpc, &rpc_advertise)?, advertise: rpc_advertise },
        peers: PeerOptions {
            listen: args.p2p_listen,
            advertise: args.advertised(args.p2p_listen.ip()),
            registry: args.registry,
            fixed: args.p2p_peers,
            allow: args.p2p_allow,
            psk: args.p2p_psk,
            max: args.p2p_max_peers,
        },
        miner: MinerOptions {
            account: args.miner_account.unwrap_or_default(),
            cpu: args.miner_cpu,
            threads: args.miner_threads,
            gas_limit: args.miner_gas_limit,
            extra: args.miner_extra.into_bytes(),
        },
    })
}
