//! What can go wrong with a data directory.

use atoll_kv::{KvError, Table};
use atoll_primitives::B256;
use std::{
    io,
    path::{Path, PathBuf},
};

/// What to do about damage.
const REBUILD: &str =
    "; stop the node, see `atoll db verify` for all that is, and make it again with `atoll db rebuild`";

/// Why the chain's storage cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The tables failed.
    #[error("the chain's tables failed{}", if matches!(.0, KvError::Damaged { .. }) { REBUILD } else { "" })]
    Kv(#[from] KvError),
    /// A file or directory cannot be used.
    #[error("cannot use {path}{advice}", path = path.display(), advice = atoll_kv::advice(source))]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// Another process has the data directory open.
    #[error("{dir} is in use by another process", dir = dir.display())]
    Locked {
        /// The data directory.
        dir: PathBuf,
    },
    /// No table has this name.
    #[error("`{name}` is no table of the chain")]
    UnknownTable {
        /// The name given.
        name: String,
    },
    /// There is no chain in the data directory.
    #[error("there is no chain in {dir}", dir = dir.display())]
    NoChain {
        /// The data directory.
        dir: PathBuf,
    },
    /// The data directory belongs to a chain with another genesis block.
    #[error("{dir} holds the chain with genesis {found}, not {expected}; use its genesis file or another data directory", dir = dir.display())]
    WrongGenesis {
        /// Genesis hash in the directory.
        found: B256,
        /// Genesis hash of the chain specification.
        expected: B256,
        /// The data directory.
        dir: PathBuf,
    },
    /// The data directory was written in another layout.
    #[error("{dir} has layout version {found}, this program reads {expected}", dir = dir.display())]
    WrongSchema {
        /// The data directory.
        dir: PathBuf,
        /// Layout version in the directory.
        found: u64,
        /// Layout version of this program.
        expected: u64,
    },
    /// Something stored does not decode or contradicts something else stored.
    #[error("the data directory is damaged: {what}{REBUILD}")]
    Corrupt {
        /// What does not fit.
        what: String,
    },
    /// A block's parent is neither the base nor among the newest blocks, so its state is not at hand.
    #[error("block {hash}: the state of its parent {parent} is not at hand")]
    UnknownParent {
        /// The block.
        hash: B256,
        /// Its parent.
        parent: B256,
    },
    /// No such block among those the operation can work on.
    #[error("block {hash} is not known here")]
    UnknownBlock {
        /// The block.
        hash: B256,
    },
    /// Too many blocks are in memory: a flush comes first.
    #[error("{limit} blocks wait to be persisted already")]
    LayersFull {
        /// The bound.
        limit: u64,
    },
    /// The new head forks off below the persisted base: `unwind` comes first.
    #[error("block {hash} forks off below block {base}, which is persisted already")]
    BelowBase {
        /// The head asked for.
        hash: B256,
        /// Number of the persisted block, or the one being persisted.
        base: u64,
    },
    /// The history that the state of this block would come from was pruned.
    #[error("historical state of block {number} is not available: states before block {oldest} are pruned")]
    Pruned {
        /// The block asked for.
        number: u64,
        /// The oldest block whose state is kept.
        oldest: u64,
    },
    /// No code has this hash.
    #[error("no code with hash {hash}")]
    UnknownCode {
        /// The code hash.
        hash: B256,
    },
    /// The block is larger than a segment record may be.
    #[error("block {hash} with its receipts has {bytes} bytes, more than {limit}")]
    RecordTooLarge {
        /// The block.
        hash: B256,
        /// Encoded size in bytes.
        bytes: usize,
        /// The bound in bytes.
        limit: usize,
    },
    /// Undoing blocks did not lead to the state the target block claims; nothing was changed.
    #[error("unwinding to block {number} gives state root {computed}, its header says {expected}")]
    UnwindMismatch {
        /// The block unwound to.
        number: u64,
        /// The root computed.
        computed: B256,
        /// The root of its header.
        expected: B256,
    },
}

impl StorageError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// Names the table in which something does not decode.
    pub(crate) fn in_table(self, table: Table) -> Self {
        match self {
            Self::Corrupt { what } => Self::Corrupt { what: format!("table `{}`: {what}", table.0) },
            other => other,
        }
    }

    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }
}
