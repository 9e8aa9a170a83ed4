//! The names of the engines, and the record in a directory of which one wrote it.

use crate::KvError;
use std::{fmt, fs, io::ErrorKind, path::Path, str::FromStr};

/// An embedded storage engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// redb: a copy-on-write B+tree in one file.
    #[default]
    Redb,
    /// sled 0.34: a log-structured tree. Needs several gigabytes of memory at a million keys.
    Sled,
}

impl Engine {
    /// The engine that wrote the store in `dir`; `None` if there is no store.
    ///
    /// # Errors
    /// [`KvError::Io`] when the directory cannot be read, [`KvError::UnknownEngine`] when its record names none.
    pub fn of(dir: &Path) -> Result<Option<Self>, KvError> {
        let path = dir.join(RECORD);
        match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map(Some),
            Err(err) if err.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(KvError::io(&path, source)),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Redb => "redb",
            Self::Sled => "sled",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Engine {
    type Err = KvError;

    fn from_str(name: &str) -> Result<Self, KvError> {
        match name {
            "redb" => Ok(Self::Redb),
            "sled" => Ok(Self::Sled),
            _ => Err(KvError::UnknownEngine { name: name.chars().take(32).collect() }),
        }
    }
}

/// The file that names the engine of a directory.
const RECORD: &str = "ENGINE";

/// Checks that `dir` belongs to `asked`, or claims it for that engine if it belongs to none.
pub(crate) fn record(dir: &Path, asked: Engine) -> Result<(), KvError> {
    let path = dir.join(RECORD);
    match Engine::of(dir)? {
        Some(found) if found == asked => Ok(()),
        Some(found) => Err(KvError::WrongEngine { dir: dir.to_owned(), found, asked }),
        None => {
            // Written aside and renamed: a crash leaves the record whole or absent, never empty.
            let aside = dir.join("ENGINE.new");
            fs::write(&aside, format!("{asked}\n")).map_err(|source| KvError::io(&aside, source))?;
            fs::rename(&aside, &path).map_err(|source| KvError::io(&path, source))
        }
    }
}
