//! The node's secp256k1 key: its identity towards peers and in the registry. Made at the first start.

use k256::ecdsa::SigningKey;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

const FILE: &str = "nodekey";

/// Why a node has no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("cannot use the key file {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error("the key file {path} does not hold 64 hex digits of a secp256k1 key; remove it to get a new identity")]
    Invalid {
        /// The file.
        path: PathBuf,
    },
}

/// Reads the key of a data directory, or makes one that only this user can read.
///
/// # Errors
/// [`KeyError`].
pub fn load_or_create(dir: &Path) -> Result<[u8; 32], KeyError> {
    let path = dir.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => parse(&text).ok_or(KeyError::Invalid { path }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = random();
            write(dir, &path, &secret).map_err(|source| KeyError::Io { path, source })?;
            Ok(secret)
        }
        Err(source) => Err(KeyError::Io { path, source }),
    }
}

fn parse(text: &str) -> Option<[u8; 32]> {
    let bytes: [u8; 32] = hex::decode(text.trim()).ok()?.try_into().ok()?;
    SigningKey::from_slice(&bytes).is_ok().then_some(bytes)
}

fn random() -> [u8; 32] {
    loop {
        let bytes: [u8; 32] = rand::random();
        // Nearly every 32 bytes are a valid scalar; the others are drawn again.
        if SigningKey::from_slice(&bytes).is_ok() {
            return bytes;
        }
    }
}

/// By way of a temporary file: a crash leaves the whole key or none.
fn write(dir: &Path, path: &Path, secret: &[u8; 32]) -> io::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let temporary = dir.join("nodekey.new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    writeln!(file, "{}", hex::encode(secret))?;
    file.sync_all()?;
    fs::rename(temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_stays_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let first = load_or_create(dir.path()).unwrap();
        assert_eq!(load_or_create(dir.path()).unwrap(), first);
    }

    #[test]
    fn a_damaged_key_is_refused_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "00".repeat(32)).unwrap();
        assert!(matches!(load_or_create(dir.path()), Err(KeyError::Invalid { .. })));
        assert!(dir.path().join(FILE).exists());
    }
}
