//! Reading web3 key stores (Web3 Secret Storage, version 3), as geth, Besu and MetaMask's ancestors write them. The
//! file is a stranger's: its parameters are checked before anything is computed with them.

use alloy_signer_local::{LocalSignerError, PrivateKeySigner};
use serde::Deserialize;
use std::{
    io,
    path::{Path, PathBuf},
};

/// Longest file read, in bytes; real ones have half a kilobyte.
const MAX_FILE: u64 = 64 << 10;
/// Most memory that scrypt may ask for, in bytes (128 * n * r); geth's files take 256 MiB.
const MAX_SCRYPT_BYTES: u64 = 1 << 30;
/// Most rounds of PBKDF2; geth's files take 262,144.
const MAX_PBKDF2_ROUNDS: u64 = 10_000_000;
/// Most parallel lanes of scrypt, each as much work as one.
const MAX_SCRYPT_LANES: u64 = 16;

/// Why a key store gives no key.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// The file cannot be read.
    #[error("cannot read the key store {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no key store.
    #[error("{path} is no web3 key store of version 3")]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A parameter has a value that is not supported, or that would take too long.
    #[error("the key store's `{field}` is {found}; {allowed} is supported")]
    Parameter {
        /// Its name.
        field: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// The password is wrong, or the file is damaged.
    #[error("the key store does not open: the password is wrong or the file is damaged")]
    Password(#[source] LocalSignerError),
}

#[derive(Deserialize)]
struct File {
    version: u64,
    crypto: Crypto,
}

#[derive(Deserialize)]
struct Crypto {
    cipher: String,
    cipherparams: CipherParams,
    kdf: String,
    kdfparams: KdfParams,
}

#[derive(Deserialize)]
struct CipherParams {
    iv: String,
}

#[derive(Deserialize)]
struct KdfParams {
    dklen: u64,
    #[serde(default)]
    prf: Option<String>,
    #[serde(default)]
    c: u64,
    #[serde(default)]
    n: u64,
    #[serde(default)]
    r: u64,
    #[serde(default)]
    p: u64,
}

/// Opens a key store with its password. Deriving the key takes about a second, and the memory the file asks for.
///
/// # Errors
/// [`KeystoreError`] says what is wrong with the file or that the password is.
pub fn decrypt(path: &Path, password: &str) -> Result<PrivateKeySigner, KeystoreError> {
    let failed = |source| KeystoreError::Io { path: path.into(), source };
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > MAX_FILE {
        return Err(parameter("length", length, "up to 64 KiB"));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let file: File =
        serde_json::from_str(&text).map_err(|source| KeystoreError::Format { path: path.into(), source })?;
    check(&file)?;
    PrivateKeySigner::decrypt_keystore(path, password).map_err(KeystoreError::Password)
}

fn check(file: &File) -> Result<(), KeystoreError> {
    let Crypto { cipher, cipherparams, kdf, kdfparams } = &file.crypto;
    let KdfParams { dklen, prf, c, n, r, p } = kdfparams;
    if file.version != 3 {
        return Err(parameter("version", file.version, "3"));
    }
    if cipher != "aes-128-ctr" {
        return Err(parameter("cipher", cipher, "aes-128-ctr"));
    }
    if cipherparams.iv.len() != 32 {
        return Err(parameter("cipherparams.iv", &cipherparams.iv, "32 hexadecimal digits"));
    }
    if !(32..=255).contains(dklen) {
        return Err(parameter("kdfparams.dklen", dklen, "32 to 255"));
    }
    // Whatever `kdf` says: which parameters the file names decides how the key is derived.
    if *c > MAX_PBKDF2_ROUNDS {
        return Err(parameter("kdfparams.c", c, "up to 10,000,000"));
    }
    if n.saturating_mul(*r).saturating_mul(128) > MAX_SCRYPT_BYTES {
        return Err(parameter("kdfparams.n", n, "128 * n * r of up to 1 GiB"));
    }
    if *p > MAX_SCRYPT_LANES {
        return Err(parameter("kdfparams.p", p, "up to 16"));
    }
    match kdf.as_str() {
        "pbkdf2" if prf.as_deref() != Some("hmac-sha256") => {
            Err(parameter("kdfparams.prf", format!("{prf:?}"), "hmac-sha256"))
        }
        "pbkdf2" if *c == 0 => Err(parameter("kdfparams.c", c, "1 or more")),
        "pbkdf2" => Ok(()),
        "scrypt" if !n.is_power_of_two() || *n < 2 => Err(parameter("kdfparams.n", n, "a power of two")),
        "scrypt" if *r == 0 || *p == 0 => Err(parameter("kdfparams.r", r, "1 or more, and so for p,")),
        "scrypt" => Ok(()),
        other => Err(parameter("kdf", other, "scrypt or pbkdf2")),
    }
}

fn parameter(field: &'static str, found: impl ToString, allowed: &'static str) -> KeystoreError {
    KeystoreError::Parameter { field, found: found.to_string(), allowed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// The example of the format's definition.
    fn example() -> Value {
        json!({
            "version": 3,
            "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
            "crypto": {
                "cipher": "aes-128-ctr",
                "cipherparams": { "iv": "6087dab2f9fdbbfaddc31a909735c1e6" },
                "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
                "kdf": "pbkdf2",
                "kdfparams": {
                    "c": 262144,
                    "dklen": 32,
                    "prf": "hmac-sha256",
                    "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"
                },
                "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"
            }
        })
    }

    fn open(file: &Value, password: &str) -> Result<PrivateKeySigner, KeystoreError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.json");
        std::fs::write(&path, file.to_string()).unwrap();
        decrypt(&path, password)
    }

    #[test]
    fn the_definitions_example_opens_with_its_password_alone() {
        let key = open(&example(), "testpassword").unwrap().to_bytes();
        assert_eq!(key.to_string(), "0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d");
        assert!(matches!(open(&example(), "wrong"), Err(KeystoreError::Password(_))));
    }

    #[test]
    fn parameters_of_a_hostile_file_are_refused_before_they_cost_anything() {
        let hostile = [
            ("/version", json!(1)),
            ("/crypto/cipher", json!("aes-128-cbc")),
            ("/crypto/cipherparams/iv", json!("60")),
            ("/crypto/kdf", json!("argon2")),
            ("/crypto/kdfparams/dklen", json!(16)),
            ("/crypto/kdfparams/c", json!(u32::MAX)),
            ("/crypto/kdfparams/prf", json!("hmac-md5")),
        ];
        for (pointer, value) in hostile {
            let mut file = example();
            *file.pointer_mut(pointer).unwrap() = value;
            assert!(matches!(open(&file, "testpassword"), Err(KeystoreError::Parameter { .. })), "{pointer}");
        }
        let mut scrypt = example();
        scrypt["crypto"]["kdf"] = json!("scrypt");
        for (n, r, p) in [(1 << 30, 8, 1), (3, 8, 1), (1 << 10, 0, 1), (1 << 10, 8, 1 << 20)] {
            scrypt["crypto"]["kdfparams"] = json!({"dklen": 32, "n": n, "r": r, "p": p, "salt": "00"});
            assert!(matches!(open(&scrypt, "x"), Err(KeystoreError::Parameter { .. })), "n {n} r {r} p {p}");
        }
        assert!(matches!(open(&json!({"version": 3}), "x"), Err(KeystoreError::Format { .. })));
    }
}
