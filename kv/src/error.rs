//! What can go wrong with a store.

use crate::{Engine, Table};
use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a store cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum KvError {
    /// A file or directory of the store cannot be used.
    #[error("cannot use {path}{advice}", path = path.display(), advice = advice(source))]
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
    /// A file or table does not hold what the engine writes.
    #[error("{what} is damaged")]
    Damaged {
        /// The file, or the table.
        what: String,
        /// The engine's reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A table cannot be read, for another reason than damage.
    #[error("table `{table}` cannot be read")]
    Read {
        /// The table's name.
        table: &'static str,
        /// The engine's reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// After a write that failed, the store could not be opened again; the next write tries it once more.
    #[error("the store in {dir} is closed after a failed write{advice}", dir = dir.display())]
    Closed {
        /// The store's directory.
        dir: PathBuf,
        /// What a person can do about the failure; empty where nothing general can be said.
        advice: &'static str,
    },
    /// redb could not write.
    #[error("redb cannot write{}", engine_advice(.0.as_ref()))]
    Redb(#[source] Box<redb::Error>),
    /// sled could not write.
    #[error("sled cannot write{}", engine_advice(.0.as_ref()))]
    Sled(#[source] Box<sled::Error>),
}

/// What a person can do about a system's refusal, to follow a sentence; empty where nothing general can be said.
pub fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ": the disk is full; make room on it, nothing that was acknowledged is lost"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            ": its file system is read-only; mount it writable or use another directory"
        }
        io::ErrorKind::PermissionDenied => ": this user may not write there; change the owner or use another directory",
        io::ErrorKind::FileTooLarge => ": the file has reached the size limit for files of this process (ulimit -f)",
        _ => "",
    }
}

/// Whether the file, and not the system, is at fault: it ends where it should go on.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData)
}

fn engine_advice(error: &(dyn std::error::Error + 'static)) -> &'static str {
    match (error.downcast_ref(), error.downcast_ref()) {
        (Some(redb::Error::Io(source)), _) | (_, Some(sled::Error::Io(source))) => advice(source),
        _ => "",
    }
}

impl KvError {
    /// What a person can do about it.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Io { source, .. } => advice(source),
            Self::Redb(error) => engine_advice(error.as_ref()),
            Self::Sled(error) => engine_advice(error.as_ref()),
            Self::Closed { advice, .. } => advice,
            // sled 0.34 now and then leaves its log so that it does not open again.
            Self::Damaged { .. } => ", and damaged by it; stop the node and make it again with `atoll db rebuild`",
            _ => "",
        }
    }

    /// The advice of this failure to open a store again, or else that of the write that failed before.
    pub(crate) fn advice_or(&self, before: &'static str) -> &'static str {
        Some(self.advice()).filter(|advice| !advice.is_empty()).unwrap_or(before)
    }

    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// An engine's failure while opening its file.
    pub(crate) fn file(path: &Path, err: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Damaged { what: path.display().to_string(), source: Box::new(err) }
    }

    /// An engine's failure while reading a table.
    pub(crate) fn read(table: Table, err: impl std::error::Error + Send + Sync + 'static) -> Self {
        let source: Box<dyn std::error::Error + Send + Sync> = Box::new(err);
        let damaged = match (source.downcast_ref(), source.downcast_ref()) {
            (Some(redb::StorageError::Io(source)), _) | (_, Some(sled::Error::Io(source))) => is_damage(source),
            (Some(redb::StorageError::Corrupted(_)), _) => true,
            (_, Some(sled::Error::Corruption { .. } | sled::Error::ReportableBug(_))) => true,
            _ => false,
        };
        if damaged {
            return Self::Damaged { what: format!("table `{}`", table.0), source };
        }
        Self::Read { table: table.0, source }
    }

    pub(crate) fn redb(err: impl Into<redb::Error>) -> Self {
        Self::Redb(Box::new(err.into()))
    }

    pub(crate) fn sled(err: sled::Error) -> Self {
        Self::Sled(Box::new(err))
    }
}
