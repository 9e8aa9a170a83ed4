//! `atoll genesis`: write a genesis file, or say what one amounts to.

use crate::{
    accounts::AccountError,
    cli::tools::{GenesisArgs, GenesisCommand},
    genesis_template,
};
use atoll_primitives::{ChainSpec, GenesisError, hex};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Mainnet's file has under 1 MiB; a larger one than this is refused before it is read.
const MAX_BYTES: u64 = 256 << 20;

/// Why a genesis file cannot be written or used.
#[derive(Debug, thiserror::Error)]
pub enum GenesisFileError {
    /// It cannot be read.
    #[error("cannot read the genesis file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is larger than any genesis file.
    #[error("the genesis file {path} has {size} bytes; {MAX_BYTES} are the most")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
    /// Its contents are wrong.
    #[error("{path} cannot be used; mend the field, or write a new file with `atoll genesis new`")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The field and the reason.
        #[source]
        source: GenesisError,
    },
    /// It cannot be written.
    #[error("cannot write the genesis file {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The flags do not make one.
    #[error(transparent)]
    Account(#[from] AccountError),
}

/// Reads a genesis file: its text, and what it means.
///
/// # Errors
/// [`GenesisFileError`], with the field and the reason.
pub fn read(path: &Path) -> Result<(String, ChainSpec), GenesisFileError> {
    let unreadable = |source| GenesisFileError::Read { path: path.into(), source };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_BYTES {
        return Err(GenesisFileError::TooLarge { path: path.into(), size });
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let spec = ChainSpec::from_json(&text).map_err(|source| GenesisFileError::Invalid { path: path.into(), source })?;
    Ok((text, spec))
}

/// `atoll genesis`.
///
/// # Errors
/// [`GenesisFileError`].
pub fn run(args: GenesisArgs) -> Result<ExitCode, GenesisFileError> {
    match args.command {
        GenesisCommand::New { output, network_id, template } => {
            let text = genesis_template::render(&template, network_id)?;
            match output {
                None => print!("{text}"),
                Some(path) => {
                    std::fs::write(&path, &text)
                        .map_err(|source| GenesisFileError::Write { path: path.clone(), source })?;
                    show(&read(&path)?.1, false);
                }
            }
        }
        GenesisCommand::Show { file, json } => show(&read(&file)?.1, json),
    }
    Ok(ExitCode::SUCCESS)
}

fn show(spec: &ChainSpec, json: bool) {
    let header = spec.genesis_header();
    let fork_id = spec.fork_id(header.hash, header.number, header.timestamp);
    let fork_hash = format!("0x{}", hex::encode(fork_id.hash.0));
    if json {
        let value = serde_json::json!({
            "hash": header.hash,
            "stateRoot": header.state_root,
            "chainId": spec.chain_id,
            "networkId": spec.network_id,
            "forkId": { "hash": fork_hash, "next": fork_id.next },
        });
        println!("{value:#}");
        return;
    }
    println!("hash        {}", header.hash);
    println!("state root  {}", header.state_root);
    println!("chain ID    {}", spec.chain_id);
    println!("network ID  {}", spec.network_id);
    println!("fork ID     {fork_hash}, next {}", fork_id.next);
}
