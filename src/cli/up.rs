//! Flags of `atoll up`.

use clap::Args;
use std::{net::IpAddr, path::PathBuf};

/// `atoll up`.
#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    /// Where the network's data lies
    #[arg(long = "data-dir", env = "ATOLL_DATA_DIR", default_value = "atoll-data", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Erase the data directory's network and start anew
    #[arg(long, env = "ATOLL_RESET")]
    pub reset: bool,
    /// Print every process's log lines, each with its name in front
    #[arg(long, short, env = "ATOLL_VERBOSE")]
    pub verbose: bool,

    /// Nodes that mine
    #[arg(long, env = "ATOLL_MINERS", default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=64), help_heading = "Network")]
    pub miners: u16,
    /// Nodes that do not mine and answer clients
    #[arg(long, env = "ATOLL_CLIENTS", default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=64), help_heading = "Network")]
    pub clients: u16,
    /// Network ID: nodes of different networks never become peers [default: the genesis file's, else the chain ID]
    #[arg(long = "network-id", env = "ATOLL_NETWORK_ID", value_name = "ID", help_heading = "Network")]
    pub network_id: Option<u64>,

    /// Genesis file (geth's format) [default: a new one from the flags below]
    #[arg(long, env = "ATOLL_GENESIS", value_name = "FILE", help_heading = "Genesis")]
    pub genesis: Option<PathBuf>,
    /// What goes into a new genesis file
    #[command(flatten)]
    pub template: TemplateArgs,

    /// Account that receives the mining rewards [default: the mnemonic's account 10]
    #[arg(long = "miner.account", env = "ATOLL_MINER_ACCOUNT", value_name = "ADDRESS", help_heading = "Mining")]
    pub miner_account: Option<alloy_primitives::Address>,
    /// Share of a core that each miner may use, 0.01 to 1
    #[arg(
        long = "miner.cpu",
        env = "ATOLL_MINER_CPU",
        default_value_t = 0.1,
        value_name = "SHARE",
        help_heading = "Mining"
    )]
    pub miner_cpu: f64,
    /// Block gas limit the miners steer towards
    #[arg(
        long = "miner.gas-limit",
        env = "ATOLL_MINER_GAS_LIMIT",
        default_value_t = 60_000_000,
        value_name = "GAS",
        help_heading = "Mining"
    )]
    pub miner_gas_limit: u64,
    /// Lowest gas tip that nodes accept and miners include, in wei
    #[arg(
        long = "gas-price",
        env = "ATOLL_GAS_PRICE",
        default_value_t = 0,
        value_name = "WEI",
        help_heading = "Mining"
    )]
    pub gas_price: u64,

    /// Whether to run the explorer
    #[arg(long, env = "ATOLL_EXPLORER", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL", help_heading = "Services")]
    pub explorer: bool,
    /// Whether to run the stats server
    #[arg(long, env = "ATOLL_STATS", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL", help_heading = "Services")]
    pub stats: bool,
    /// Secret that nodes show to the stats server [default: a random one, kept in the data directory]
    #[arg(
        long = "stats-secret",
        env = "ATOLL_STATS_SECRET",
        hide_env_values = true,
        value_name = "SECRET",
        help_heading = "Services"
    )]
    pub stats_secret: Option<String>,
    /// Address the JSON-RPC, explorer and stats ports listen on
    #[arg(long, env = "ATOLL_HOST", default_value = "127.0.0.1", value_name = "IP", help_heading = "Services")]
    pub host: IpAddr,
    /// Port of JSON-RPC over HTTP and WebSocket
    #[arg(
        long = "rpc-port",
        env = "ATOLL_RPC_PORT",
        default_value_t = 8545,
        value_name = "PORT",
        help_heading = "Services"
    )]
    pub rpc_port: u16,
    /// Port of the explorer
    #[arg(
        long = "explorer-port",
        env = "ATOLL_EXPLORER_PORT",
        default_value_t = 8080,
        value_name = "PORT",
        help_heading = "Services"
    )]
    pub explorer_port: u16,
    /// Port of the stats page
    #[arg(
        long = "stats-port",
        env = "ATOLL_STATS_PORT",
        default_value_t = 3000,
        value_name = "PORT",
        help_heading = "Services"
    )]
    pub stats_port: u16,
    /// Engine of the nodes' chain tables: redb or sled
    #[arg(long, env = "ATOLL_DB", default_value = "redb", value_name = "ENGINE", help_heading = "Services")]
    pub db: String,
}

/// What a new genesis file says.
#[derive(Debug, Clone, Args)]
pub struct TemplateArgs {
    /// Chain ID (EIP-155)
    #[arg(long = "chain-id", env = "ATOLL_CHAIN_ID", default_value_t = 1337, value_name = "ID", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Genesis")]
    pub chain_id: u64,
    /// Gas limit of the first block
    #[arg(long = "gas-limit", env = "ATOLL_GAS_LIMIT", default_value_t = 60_000_000, value_name = "GAS", value_parser = clap::value_parser!(u64).range(5_000..), help_heading = "Genesis")]
    pub gas_limit: u64,
    /// Difficulty of the first block; it then follows the hash power
    #[arg(long, env = "ATOLL_DIFFICULTY", default_value_t = 8192, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Genesis")]
    pub difficulty: u64,
    /// Seconds between blocks that the difficulty aims at
    #[arg(long = "block-time", env = "ATOLL_BLOCK_TIME", default_value_t = 2, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600), help_heading = "Genesis")]
    pub block_time: u64,
    /// Development accounts to fund, taken from the mnemonic
    #[arg(long, env = "ATOLL_ACCOUNTS", default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1000), help_heading = "Genesis")]
    pub accounts: u16,
    /// Ether each funded account starts with
    #[arg(long, env = "ATOLL_BALANCE", default_value_t = 10_000, value_name = "ETHER", help_heading = "Genesis")]
    pub balance: u64,
    /// Further accounts to fund
    #[arg(long, env = "ATOLL_FUND", value_name = "ADDRESS,…", value_delimiter = ',', help_heading = "Genesis")]
    pub fund: Vec<alloy_primitives::Address>,
    /// Mnemonic of the development accounts; nodes hold their keys, so never use one that guards anything real
    #[arg(long, env = "ATOLL_MNEMONIC", default_value = crate::accounts::TEST_MNEMONIC, hide_env_values = true, value_name = "WORDS", help_heading = "Genesis")]
    pub mnemonic: String,
}
