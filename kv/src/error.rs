//! What can go wrong with a store.

use crate::Engine;
use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a store cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum KvError {
    /// A file or directory of the store cannot be used.
    #[error("cannot use {path}", path = path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The directory was written by another engine.
    #[error("{dir} was written by {found}, not by {asked}; open it with {found} or choose another directory", dir = dir.display())]
    WrongEngine {
        /// The store's directory.
        dir: PathBuf,
        /// The engine that wrote it.
        found: Engine,
        /// The engine asked for.
        asked: Engine,
    },
    /// No engine has this name.
    #[error("unknown storage engine `{name}`; there are redb and sled")]
    UnknownEngine {
        /// The name given, cut at 32 characters.
        name: String,
    },
    /// Another process has the store open.
    #[error("{dir} is in use by another process", dir = dir.display())]
    InUse {
        /// The store's directory.
        dir: PathBuf,
    },
    /// The table was not named when the store was opened.
    #[error("table `{0}` was not opened")]
    UnknownTable(&'static str),
    /// redb failed.
    #[error("redb failed")]
    Redb(#[source] Box<redb::Error>),
    /// sled failed.
    #[error("sled failed")]
    Sled(#[source] Box<sled::Error>),
}

impl KvError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn redb(err: impl Into<redb::Error>) -> Self {
        Self::Redb(Box::new(err.into()))
    }

    pub(crate) fn sled(err: sled::Error) -> Self {
        Self::Sled(Box::new(err))
    }
}
