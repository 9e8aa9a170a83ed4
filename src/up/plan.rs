//! Which processes make up the network, with their flags. Pure data: nothing is started here.

use super::{
    UpError,
    data_dir::DataDir,
    ports::{self, FreePorts},
};
use crate::{
    accounts,
    cli::{LogArgs, LogFormat, up::UpArgs},
};
use std::{net::SocketAddr, path::PathBuf};

/// What a process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Discovery registry.
    Registry,
    /// Node that mines.
    Miner,
    /// Node that does not.
    Client,
    /// Stats server.
    Stats,
    /// Explorer.
    Explorer,
    /// Load balancer.
    Balancer,
}

impl Role {
    /// The name in `network.json` and on screen.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Miner => "miner",
            Self::Client => "client",
            Self::Stats => "stats",
            Self::Explorer => "explorer",
            Self::Balancer => "balancer",
        }
    }
}

/// One process.
#[derive(Debug, Clone)]
pub struct ProcessPlan {
    /// Unique name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Arguments after the program's name.
    pub args: Vec<String>,
    /// Variables: secrets go here and not among the arguments, which every user of the machine can read.
    pub env: Vec<(&'static str, String)>,
    /// Its log file.
    pub log: PathBuf,
    /// Its own JSON-RPC URL, for nodes.
    pub rpc: Option<String>,
    /// URL that answers 200 once it is ready.
    pub ready: String,
}

/// The whole network.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The processes in the order they start; they stop in the reverse order.
    pub processes: Vec<ProcessPlan>,
    /// Network ID.
    pub network_id: u64,
    /// JSON-RPC over HTTP, through the balancer.
    pub rpc: String,
    /// JSON-RPC over WebSocket, through the balancer.
    pub ws: String,
    /// The explorer, through the balancer.
    pub explorer: Option<String>,
    /// The stats page, through the balancer.
    pub stats: Option<String>,
    /// The registry.
    pub registry: String,
}

/// What all processes share.
struct Common<'a> {
    args: &'a UpArgs,
    log: &'a LogArgs,
    dir: &'a DataDir,
    network_id: u64,
    registry: String,
}

impl Plan {
    /// Checks the visible ports and lays out the processes.
    pub async fn new(args: &UpArgs, log: &LogArgs, dir: &DataDir) -> Result<Self, UpError> {
        let rpc = ports::require(args.host, args.rpc_port, "--rpc-port")?;
        let explorer = optional(args.explorer, args, args.explorer_port, "--explorer-port")?;
        let stats = optional(args.stats, args, args.stats_port, "--stats-port")?;
        let mut free = FreePorts::new();
        let registry = free.take()?;
        let network_id = args.network_id.unwrap_or(dir.spec().network_id);
        let common = Common { args, log, dir, network_id, registry: url("http", registry) };

        let mut processes = vec![common.registry_process(registry)];
        let stats_listen = stats.map(|_| free.take()).transpose()?;
        let secret = dir.stats_secret(args.stats_secret.as_deref())?;
        if let Some(listen) = stats_listen {
            processes.push(common.stats_process(listen, &secret));
        }
        let reward = match args.miner_account {
            Some(address) => address,
            None => accounts::derive(&args.template.mnemonic, 10)?.address,
        };
        let report_to = stats_listen.map(|listen| (listen, secret.as_str()));
        for index in 1..=args.miners {
            processes.push(common.node(Role::Miner, index, &mut free, report_to, reward)?);
        }
        for index in 1..=args.clients {
            processes.push(common.node(Role::Client, index, &mut free, report_to, reward)?);
        }
        if explorer.is_some() {
            processes.push(common.explorer_process(free.take()?));
        }
        processes.push(common.balancer_process(rpc, explorer, stats));
        Ok(Self {
            processes,
            network_id,
            rpc: url("http", rpc),
            ws: url("ws", rpc),
            explorer: explorer.map(|address| url("http", address)),
            stats: stats.map(|address| url("http", address)),
            registry: common.registry,
        })
    }
}

fn optional(wanted: bool, args: &UpArgs, port: u16, flag: &'static str) -> Result<Option<SocketAddr>, UpError> {
    wanted.then(|| ports::require(args.host, port, flag)).transpose()
}

/// A URL a person can click: the unspecified address is shown as the loopback one.
fn url(scheme: &str, address: SocketAddr) -> String {
    let host = if address.ip().is_unspecified() { "127.0.0.1".to_owned() } else { address.ip().to_string() };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    format!("{scheme}://{host}:{}", address.port())
}

impl Common<'_> {
    fn process(&self, name: String, role: Role, subcommand: &str, listen: SocketAddr) -> ProcessPlan {
        let mut args = vec![subcommand.to_owned()];
        if let Some(config) = &self.log.config {
            args.push(format!("--config={}", config.display()));
        }
        args.push(format!("--log={}", self.log.log));
        args.push(format!("--log-format={}", if self.log.log_format == LogFormat::Json { "json" } else { "text" }));
        args.push("--stop-with-stdin".into());
        let log = self.dir.log(&name);
        ProcessPlan {
            name,
            role,
            args,
            env: Vec::new(),
            log,
            rpc: None,
            ready: format!("{}/ready", url("http", listen)),
        }
    }

    fn find(&self, process: &mut ProcessPlan, name: &str) {
        process.args.extend([
            format!("--genesis={}", self.dir.genesis_file().display()),
            format!("--network-id={}", self.network_id),
            format!("--registry={}", self.registry),
            format!("--name={name}"),
        ]);
    }

    fn registry_process(&self, listen: SocketAddr) -> ProcessPlan {
        let mut process = self.process("registry".into(), Role::Registry, "discovery", listen);
        process.args.extend([data_dir(self.dir, "registry"), format!("--listen={listen}")]);
        process
    }

    fn stats_process(&self, listen: SocketAddr, secret: &str) -> ProcessPlan {
        let mut process = self.process("stats".into(), Role::Stats, "stats", listen);
        self.find(&mut process, "stats");
        process.args.extend([data_dir(self.dir, "stats"), format!("--listen={listen}")]);
        process.env.push(("ATOLL_STATS_SECRET", secret.to_owned()));
        process
    }

    fn explorer_process(&self, listen: SocketAddr) -> ProcessPlan {
        let mut process = self.process("explorer".into(), Role::Explorer, "explorer", listen);
        self.find(&mut process, "Atoll explorer");
        process.args.extend([data_dir(self.dir, "explorer"), format!("--listen={listen}")]);
        process
    }

    fn balancer_process(
        &self,
        rpc: SocketAddr,
        explorer: Option<SocketAddr>,
        stats: Option<SocketAddr>,
    ) -> ProcessPlan {
        let mut process = self.process("balancer".into(), Role::Balancer, "balancer", rpc);
        self.find(&mut process, "balancer");
        process.args.push(format!("--rpc.listen={rpc}"));
        process.args.extend(explorer.map(|address| format!("--explorer.listen={address}")));
        process.args.extend(stats.map(|address| format!("--stats.listen={address}")));
        process.ready = format!("{}/ready", url("http", rpc));
        process
    }

    fn node(
        &self,
        role: Role,
        index: u16,
        free: &mut FreePorts,
        stats: Option<(SocketAddr, &str)>,
        reward: alloy_primitives::Address,
    ) -> Result<ProcessPlan, UpError> {
        let name = format!("{}-{index}", role.name());
        let (rpc, peers) = (free.take()?, free.take()?);
        let mut process = self.process(name.clone(), role, "node", rpc);
        self.find(&mut process, &name);
        process.args.extend([
            data_dir(self.dir, &name),
            format!("--db={}", self.args.db),
            format!("--rpc.listen={rpc}"),
            // The balancer, which says for whom it asks.
            "--rpc.trusted-proxies=127.0.0.0/8,::1".into(),
            format!("--p2p.listen={peers}"),
            format!("--gas-price={}", self.args.gas_price),
            format!("--unsafe-dev-accounts={}", self.args.template.accounts),
        ]);
        if !self.args.host.is_loopback() {
            // Strangers come in through the balancer.
            process.args.push("--rpc.public".into());
        }
        if role == Role::Miner {
            process.args.extend([
                "--mine".into(),
                format!("--miner.account={reward}"),
                format!("--miner.cpu={}", self.args.miner_cpu),
                format!("--miner.gas-limit={}", self.args.miner_gas_limit),
            ]);
        }
        process.env.push(("ATOLL_UNSAFE_DEV_MNEMONIC", self.args.template.mnemonic.clone()));
        if let Some((address, secret)) = stats {
            process.env.push(("ATOLL_ETHSTATS", format!("{name}:{secret}@{address}")));
        }
        process.rpc = Some(url("http", rpc));
        Ok(process)
    }
}

fn data_dir(dir: &DataDir, name: &str) -> String {
    format!("--data-dir={}", dir.of(name).display())
}
