//! Every flag of the program. Each is also an `ATOLL_…` variable and a key of the TOML file
//! ([`crate::config_file`]); only the flags themselves are here.

pub mod db;
pub mod node;
pub mod rpc;
pub mod services;
pub mod tools;
pub mod up;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// A private Ethereum network in a box.
///
/// Without a subcommand, `atoll` is `atoll up`: it starts a whole network on this machine and says where
/// everything is.
#[derive(Debug, Parser)]
#[command(name = "atoll", version, args_conflicts_with_subcommands = true, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Flags of `up`, when no subcommand is given.
    #[command(flatten)]
    pub up: up::UpArgs,
    /// Logging, for every subcommand.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a whole network on this machine: registry, nodes, explorer, stats, balancer
    Up(Box<up::UpArgs>),
    /// Show the state of a running network: nodes, heads, peers, health
    Status(tools::StatusArgs),
    /// Run one node
    Node(Box<node::NodeArgs>),
    /// Run the discovery registry
    Discovery(services::DiscoveryArgs),
    /// Run the explorer
    Explorer(services::ExplorerArgs),
    /// Run the stats server
    Stats(services::StatsArgs),
    /// Run the load balancer
    Balancer(services::BalancerArgs),
    /// Write a genesis file, or print the hash, state root and fork ID of one
    Genesis(tools::GenesisArgs),
    /// Make a key, or list the development accounts
    Account(tools::AccountArgs),
    /// Ask a URL whether it answers well: the health check of a container
    Health(tools::HealthArgs),
    /// Write a node's chain to a file of RLP blocks, or to era1 archives
    Export(tools::ExportArgs),
    /// Read files of RLP blocks or era1 archives into a node's data directory
    Import(tools::ImportArgs),
    /// Check a node's data directory, or make damaged tables of it again
    Db(Box<db::DbArgs>),
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Logging flags.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// TOML file with defaults for every flag, see docs/guide.md
    #[arg(long, env = "ATOLL_CONFIG", global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to log: error, warn, info, debug, trace, or a filter such as `info,atoll_network=debug`
    #[arg(long, env = "ATOLL_LOG", global = true, default_value = "info", value_name = "LEVEL")]
    pub log: String,
    /// How to write logs
    #[arg(long = "log-format", env = "ATOLL_LOG_FORMAT", global = true, default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Stop when standard input closes: set by a supervisor, so that its children never outlive it
    #[arg(long = "stop-with-stdin", env = "ATOLL_STOP_WITH_STDIN", global = true, hide = true)]
    pub stop_with_stdin: bool,
}
