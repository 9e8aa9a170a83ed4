//! Flags of the commands that print or convert.

use super::up::TemplateArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `atoll status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// Data directory of the network
    #[arg(long = "data-dir", env = "ATOLL_DATA_DIR", default_value = "atoll-data", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `atoll genesis`.
#[derive(Debug, Clone, Args)]
pub struct GenesisArgs {
    /// What to do
    #[command(subcommand)]
    pub command: GenesisCommand,
}

/// What `atoll genesis` does.
#[derive(Debug, Clone, Subcommand)]
pub enum GenesisCommand {
    /// Write a new genesis file from flags
    New {
        /// File to write [default: standard output]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Network ID, when it is not the chain ID
        #[arg(long = "network-id", env = "ATOLL_NETWORK_ID", value_name = "ID")]
        network_id: Option<u64>,
        /// Its contents
        #[command(flatten)]
        template: Box<TemplateArgs>,
    },
    /// Print the hash, state root and fork ID of a genesis file
    Show {
        /// Genesis file
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// `atoll account`.
#[derive(Debug, Clone, Args)]
pub struct AccountArgs {
    /// What to do
    #[command(subcommand)]
    pub command: AccountCommand,
}

/// What `atoll account` does.
#[derive(Debug, Clone, Subcommand)]
pub enum AccountCommand {
    /// Make a new key, write it to a file only you can read, and print its address
    New {
        /// File to write the key to
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
    /// Take the key out of a web3 key store (a `UTC--...` file of geth or Besu), write it to a file only you can read,
    /// and print its address
    Import {
        /// The key store
        keystore: PathBuf,
        /// File to write the key to
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
        /// File whose first line is the key store's password; without it the password is read from standard input
        #[arg(long, env = "ATOLL_PASSWORD_FILE", value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Print the development accounts and their keys. Unsafe for anything real
    Dev {
        /// Mnemonic
        #[arg(long, env = "ATOLL_MNEMONIC", default_value = crate::accounts::TEST_MNEMONIC, hide_env_values = true, value_name = "WORDS")]
        mnemonic: String,
        /// How many
        #[arg(long, default_value_t = 10, value_name = "N")]
        accounts: u16,
    },
}

/// Whose chain `atoll export` and `atoll import` work on.
#[derive(Debug, Clone, Args)]
pub struct ChainArgs {
    /// Genesis file of the chain
    #[arg(long, env = "ATOLL_GENESIS", value_name = "FILE")]
    pub genesis: PathBuf,
    /// The node's data directory; the node must not be running
    #[arg(long = "data-dir", env = "ATOLL_DATA_DIR", default_value = "atoll-node", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Engine of the chain tables: redb or sled
    #[arg(long, env = "ATOLL_DB", default_value = "redb", value_name = "ENGINE")]
    pub db: String,
    /// Do not check proofs of work (for chains made by test tools)
    #[arg(long = "no-seal-check")]
    pub no_seal_check: bool,
}

/// `atoll export`.
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// File to write (`-` for standard output; gzipped if its name ends in .gz), or the directory for era1 archives
    pub file: PathBuf,
    /// First block
    #[arg(long, env = "ATOLL_EXPORT_FROM", default_value_t = 0, value_name = "NUMBER")]
    pub from: u64,
    /// Last block [default: the newest]
    #[arg(long, env = "ATOLL_EXPORT_TO", value_name = "NUMBER")]
    pub to: Option<u64>,
    /// rlp: blocks one after the other, as geth's export; era1: archives of 8192 blocks with receipts
    #[arg(long, env = "ATOLL_EXPORT_FORMAT", default_value = "rlp", value_name = "FORMAT")]
    pub format: ExportFormat,
    /// Name of the network in the names of era1 archives
    #[arg(long, env = "ATOLL_EXPORT_NETWORK", default_value = "atoll", value_name = "NAME")]
    pub network: String,
    /// Of which chain
    #[command(flatten)]
    pub chain: ChainArgs,
}

/// What `atoll export` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    /// Blocks in RLP.
    Rlp,
    /// Archives with receipts.
    Era1,
}

/// `atoll import`.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// Files of RLP blocks or era1 archives, plain or gzipped; directories of such files; `-` for standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Into which chain
    #[command(flatten)]
    pub chain: ChainArgs,
}

/// `atoll health`.
#[derive(Debug, Clone, Args)]
pub struct HealthArgs {
    /// URL that must answer with a 2xx status within two seconds
    pub url: String,
}
