//! `atoll export` and `atoll import`: chains as files.

mod export;
mod import;
mod progress;
mod stop;

pub use export::export;
pub use import::import;

use crate::{cli::tools::ChainArgs, genesis_command};
use atoll_node::{
    StorageOptions,
    chain::{Chain, file::FileError},
    open_chain,
};
use std::{error::Error, io, path::PathBuf, sync::Arc};

/// Why a chain cannot be written or read.
#[derive(Debug, thiserror::Error)]
enum ChainFileError {
    /// A file cannot be opened or made.
    #[error("cannot {what} {}", path.display())]
    Open {
        /// Read, write, make.
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A file's contents.
    #[error("{}: not imported to its end", path.display())]
    Import {
        path: PathBuf,
        #[source]
        source: FileError,
    },
    /// A file that was not written to its end.
    #[error("{}: not written to its end", path.display())]
    Export {
        path: PathBuf,
        #[source]
        source: FileError,
    },
    /// A directory without a file.
    #[error("{}: there is no file in this directory", path.display())]
    EmptyDirectory { path: PathBuf },
}

fn open_read_error(path: &std::path::Path) -> impl Fn(io::Error) -> ChainFileError {
    let path = path.to_path_buf();
    move |source| ChainFileError::Open { what: "read", path: path.clone(), source }
}

fn open(args: &ChainArgs) -> Result<Chain, Box<dyn Error>> {
    let (_, spec) = genesis_command::read(&args.genesis)?;
    let options = StorageOptions { engine: args.db.parse()?, ..StorageOptions::default() };
    Ok(open_chain(Arc::new(spec), &args.data_dir, options, !args.no_seal_check)?)
}

/// Whether a path stands for standard input or output.
fn is_dash(path: &std::path::Path) -> bool {
    path.as_os_str() == "-"
}
