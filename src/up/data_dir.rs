//! The network's data directory: its lock, its genesis file, its secrets, where each process keeps its data.

use super::UpError;
use crate::{cli::up::UpArgs, genesis_command, genesis_template};
use alloy_primitives::B256;
use atoll_primitives::ChainSpec;
use fs4::fs_std::FileExt;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

const LOCK: &str = "up.lock";
const GENESIS: &str = "genesis.json";
const STATS_SECRET: &str = "stats-secret";

/// An open data directory; dropping it releases the lock.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    spec: ChainSpec,
    genesis_hash: B256,
    _lock: File,
}

impl DataDir {
    /// Locks the directory, makes or checks its genesis file.
    pub fn open(args: &UpArgs) -> Result<Self, UpError> {
        // What the genesis flags amount to is checked before anything is touched.
        let text = match &args.genesis {
            Some(path) => Some(genesis_command::read(path)?.0),
            None => None,
        };
        let path = std::path::absolute(&args.data_dir).map_err(|source| failed(&args.data_dir, source))?;
        fs::create_dir_all(&path).map_err(|source| failed(&path, source))?;
        let lock = lock(&path)?;
        if args.reset {
            erase(&path)?;
        }
        let text = match text {
            Some(text) => text,
            None => genesis_template::render(&args.template, None)?,
        };
        let spec = ChainSpec::from_json(&text).map_err(|source| genesis_command::GenesisFileError::Invalid {
            path: args.genesis.clone().unwrap_or_else(|| "the genesis made from flags".into()),
            source,
        })?;
        let genesis_hash = spec.genesis_header().hash;
        settle_genesis(&path, &text, genesis_hash, spec.chain_id)?;
        fs::create_dir_all(path.join("logs")).map_err(|source| failed(&path, source))?;
        Ok(Self { path, spec, genesis_hash, _lock: lock })
    }

    /// The directory, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The chain it holds.
    pub fn spec(&self) -> &ChainSpec {
        &self.spec
    }

    /// Hash of its genesis block.
    pub fn genesis_hash(&self) -> B256 {
        self.genesis_hash
    }

    /// Its genesis file.
    pub fn genesis_file(&self) -> PathBuf {
        self.path.join(GENESIS)
    }

    /// Where a process keeps its data.
    pub fn of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A process's log file.
    pub fn log(&self, name: &str) -> PathBuf {
        self.path.join("logs").join(format!("{name}.log"))
    }

    /// The secret between nodes and stats server: as told, else a random one made once.
    pub fn stats_secret(&self, told: Option<&str>) -> Result<String, UpError> {
        if let Some(secret) = told {
            return Ok(secret.to_owned());
        }
        let path = self.path.join(STATS_SECRET);
        match fs::read_to_string(&path) {
            Ok(secret) if !secret.trim().is_empty() => return Ok(secret.trim().to_owned()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(failed(&path, source)),
        }
        let secret = alloy_primitives::hex::encode(&B256::random()[..16]);
        write_private(&path, &secret).map_err(|source| failed(&path, source))?;
        Ok(secret)
    }
}

fn failed(path: &Path, source: io::Error) -> UpError {
    UpError::DataDir { path: path.into(), source }
}

/// Writes a file only its owner can read.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

fn lock(path: &Path) -> Result<File, UpError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.join(LOCK))
        .map_err(|source| failed(path, source))?;
    match FileExt::try_lock_exclusive(&file) {
        Ok(true) => Ok(file),
        Ok(false) => Err(UpError::Running { path: path.into() }),
        Err(source) => Err(failed(path, source)),
    }
}

/// Erases everything but the lock. Only a directory that holds a network, or nothing, is erased.
fn erase(path: &Path) -> Result<(), UpError> {
    let entries = || fs::read_dir(path).map_err(|source| failed(path, source));
    let others = entries()?.flatten().any(|entry| entry.file_name() != LOCK);
    if others && !path.join(GENESIS).exists() {
        return Err(UpError::NotOurs { path: path.into() });
    }
    // The genesis file goes last, so that an interrupted reset can be repeated.
    let mut paths: Vec<PathBuf> = entries()?.flatten().map(|entry| entry.path()).collect();
    paths.retain(|entry| !entry.ends_with(LOCK));
    paths.sort_by_key(|entry| entry.ends_with(GENESIS));
    for entry in paths {
        let removed = if entry.is_dir() { fs::remove_dir_all(&entry) } else { fs::remove_file(&entry) };
        removed.map_err(|source| failed(&entry, source))?;
    }
    Ok(())
}

/// Writes the genesis file of a new directory; compares it in one that has one.
fn settle_genesis(path: &Path, text: &str, asked: B256, chain_id: u64) -> Result<(), UpError> {
    let file = path.join(GENESIS);
    if file.exists() {
        let held = genesis_command::read(&file)?.1;
        let found = held.genesis_header().hash;
        if found != asked {
            return Err(UpError::OtherGenesis { path: path.into(), found, asked });
        }
        // The chain ID is no part of the genesis block, yet every transaction is signed for it.
        if held.chain_id != chain_id {
            return Err(UpError::OtherChainId { path: path.into(), found: held.chain_id, asked: chain_id });
        }
    }
    // Written again even so: keys outside the genesis hash (network ID, later forks) follow the new file.
    let temporary = path.join("genesis.json.new");
    fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, &file)).map_err(|source| failed(&file, source))
}
