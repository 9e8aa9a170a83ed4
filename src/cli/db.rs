//! Flags of `atoll db`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `atoll db`.
#[derive(Debug, Clone, Args)]
pub struct DbArgs {
    /// What to do
    #[command(subcommand)]
    pub command: DbCommand,
    /// Genesis file of the chain
    #[arg(long, env = "ATOLL_GENESIS", value_name = "FILE", global = true)]
    pub genesis: Option<PathBuf>,
    /// The node's data directory; the node must not be running
    #[arg(long = "data-dir", env = "ATOLL_DATA_DIR", default_value = "atoll-node", value_name = "DIR", global = true)]
    pub data_dir: PathBuf,
    /// Memory for caches, in MiB
    #[arg(long = "db.cache", env = "ATOLL_DB_CACHE", default_value_t = 256, value_name = "MIB", global = true)]
    pub db_cache: usize,
}

/// What `atoll db` does.
#[derive(Debug, Clone, Subcommand)]
pub enum DbCommand {
    /// Read everything and name each thing that does not fit. Changes nothing
    ///
    /// Checksums of the block files, every block against its header, the rows that lead to blocks and transactions, the
    /// index of logs against the logs, the index of addresses against its sums, every node of every block's state against
    /// the state root. The exit code is 0 when all is sound.
    Verify,
    /// Make damaged tables again from the block files
    ///
    /// First verifies, and does nothing when all is sound. The rows that lead to blocks and the index of logs come from the
    /// block files alone; the states of all blocks by executing the chain again from its first block; the index
    /// of addresses by executing each block over the states that are there. The damaged files are
    /// kept in a directory of their own. Where block files themselves are damaged, the chain ends before the damage, and
    /// the node fetches the rest from its peers.
    Rebuild {
        /// Tables to make again [default: those that are damaged]
        #[arg(value_name = "TABLE")]
        tables: Vec<String>,
        /// Make all tables again without verifying first
        #[arg(long, env = "ATOLL_DB_REBUILD_ALL")]
        all: bool,
    },
}
