//! What can go wrong when a network starts. Every message says what to do next.

use crate::{accounts::AccountError, genesis_command::GenesisFileError};
use alloy_primitives::B256;
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// Why the network did not start.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// Nobody would make blocks.
    #[error("--miners 0: without a miner no block is ever made; use at least --miners 1")]
    NoMiners,
    /// The data directory cannot be used.
    #[error("cannot write to the data directory {path}; choose another with --data-dir, or change its permissions")]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another `atoll up` has it.
    #[error(
        "a network is already running from {path}; see it with `atoll status`, stop it, or choose another --data-dir"
    )]
    Running {
        /// The directory.
        path: PathBuf,
    },
    /// It holds another network.
    #[error(
        "{path} holds the chain of another genesis (hash {found}, asked for {asked}); \
         use --reset to erase it, or another --data-dir to keep both"
    )]
    OtherGenesis {
        /// The directory.
        path: PathBuf,
        /// Genesis hash in the directory.
        found: B256,
        /// Genesis hash asked for.
        asked: B256,
    },
    /// It holds another chain over the same genesis block.
    #[error(
        "{path} holds the chain with chain ID {found} (asked for {asked}); \
         use --reset to erase it, or another --data-dir to keep both"
    )]
    OtherChainId {
        /// The directory.
        path: PathBuf,
        /// Chain ID in the directory.
        found: u64,
        /// Chain ID asked for.
        asked: u64,
    },
    /// The directory to erase is not one of ours.
    #[error(
        "--reset: {path} is not a data directory of Atoll (no genesis.json in it), so nothing was erased; remove it yourself"
    )]
    NotOurs {
        /// The directory.
        path: PathBuf,
    },
    /// A port is taken.
    #[error("port {port} ({flag}) is in use by another program; stop that program or choose another with {flag}", port = .address.port())]
    PortInUse {
        /// The address tried.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No free port for the parts behind the balancer.
    #[error("no free port between {first} and {last} for the processes behind the balancer; stop what uses them")]
    NoFreePort {
        /// First tried.
        first: u16,
        /// Last tried.
        last: u16,
    },
    /// The genesis file is wrong.
    #[error(transparent)]
    Genesis(#[from] GenesisFileError),
    /// The mnemonic is wrong.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// Signals cannot be caught.
    #[error("cannot set up signal handling")]
    Signals(#[source] std::io::Error),
    /// A process cannot be started at all.
    #[error("cannot start the process {name}")]
    Spawn {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A process keeps ending during the start.
    #[error("{name} stopped {times} times while starting; the last lines of {log}:\n{tail}")]
    Failing {
        /// Its name.
        name: String,
        /// How often.
        times: u32,
        /// Its log file.
        log: PathBuf,
        /// The end of that file.
        tail: String,
    },
    /// The network did not answer in time.
    #[error("the network was not ready after {waited:?}; waiting for: {missing}; look into the log files in {logs}")]
    NotReady {
        /// How long was waited.
        waited: Duration,
        /// What was missing.
        missing: String,
        /// Folder of the log files.
        logs: PathBuf,
    },
}
