//! Chains in temporary directories, opened and fed as the node does it.

use crate::Reason;
use atoll_chain::{Chain, ChainOptions, ImportError, Origin};
use atoll_primitives::{Block, ChainSpec, rlp::Decodable};
use atoll_storage::{Storage, StorageOptions};
use std::{error::Error, path::Path, sync::Arc};
use tempfile::TempDir;

/// Thousands of chains live for milliseconds: memory does where there is a file system for it.
const MEMORY: &str = "/dev/shm";
/// Bytes of caches a chain; a few blocks need no more.
const CACHE_BYTES: usize = 2 << 20;

/// A chain and the directory it lives in.
pub struct TemporaryChain {
    /// The chain.
    pub chain: Chain,
    _folder: TempDir,
}

/// A directory in memory where that is possible.
///
/// # Errors
/// It cannot be made.
pub fn temporary_folder() -> Result<TempDir, Reason> {
    let made = if Path::new(MEMORY).is_dir() { TempDir::new_in(MEMORY) } else { TempDir::new() };
    made.map_err(|error| format!("no temporary directory: {error}"))
}

impl TemporaryChain {
    /// Opens a new chain of this specification.
    ///
    /// # Errors
    /// Storage, engine or chain do not open.
    pub fn open(spec: Arc<ChainSpec>, verify_seals: bool) -> Result<Self, Reason> {
        let folder = temporary_folder()?;
        let chain = open(spec, folder.path(), verify_seals)?;
        Ok(Self { chain, _folder: folder })
    }

    /// Closes it, which writes everything to disk.
    ///
    /// # Errors
    /// The last write fails.
    pub fn close(self) -> Result<(), Reason> {
        self.chain.shutdown().map_err(|error| explain(&error))
    }
}

/// Opens a chain in a directory.
///
/// # Errors
/// Storage, engine or chain do not open.
pub fn open(spec: Arc<ChainSpec>, folder: &Path, verify_seals: bool) -> Result<Chain, Reason> {
    let options = StorageOptions { cache_bytes: CACHE_BYTES, ..StorageOptions::default() };
    let storage = Storage::open(folder, &spec, options).map_err(|error| explain(&error))?;
    let engine = atoll_consensus::engine(Arc::clone(&spec)).map_err(|error| explain(&error))?;
    Chain::open(spec, storage, engine, ChainOptions { verify_seals, ..ChainOptions::default() })
        .map_err(|error| explain(&error))
}

/// Imports one block.
///
/// # Errors
/// See [`ImportError`].
pub fn import(chain: &Chain, block: Block) -> Result<(), ImportError> {
    chain.import(block, Origin::File).map(drop)
}

/// Blocks that stand one after the other, as in `.rlp`, `.blocks` and `.bin` files.
///
/// # Errors
/// The first that does not decode.
pub fn decode_blocks(bytes: &[u8]) -> Result<Vec<Block>, Reason> {
    let (mut rest, mut blocks) = (bytes, Vec::new());
    while !rest.is_empty() {
        let index = blocks.len();
        blocks.push(Block::decode(&mut rest).map_err(|error| format!("block {index} of the file: {error}"))?);
    }
    Ok(blocks)
}

/// An error with its causes.
pub fn explain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
