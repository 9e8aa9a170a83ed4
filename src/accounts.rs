//! Development accounts from a mnemonic, and `atoll account`.
//!
//! Keys made here for real use go to a file, never to a log or a flag.

use crate::cli::tools::{AccountArgs, AccountCommand};
use alloy_primitives::{Address, B256};
use alloy_signer_local::{MnemonicBuilder, PrivateKeySigner};
use atoll_node::keystore::{self, KeystoreError};
use std::{
    fs,
    io::{self, BufRead as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The mnemonic every Ethereum development tool knows. Everyone has its keys.
pub const TEST_MNEMONIC: &str = "test test test test test test test test test test test junk";

/// Why an account cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The words are no BIP-39 mnemonic.
    #[error("the mnemonic is not valid; BIP-39 words with a right checksum are needed")]
    Mnemonic(#[source] alloy_signer_local::LocalSignerError),
    /// The key file cannot be written.
    #[error("cannot write the key to {path}; an existing file is never overwritten")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The password cannot be read.
    #[error("cannot read the password from {from}")]
    Password {
        /// The file, or standard input.
        from: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The key store does not open.
    #[error("no key was imported")]
    Keystore(#[from] KeystoreError),
}

/// A development account.
#[derive(Debug, Clone, Copy)]
pub struct DevAccount {
    /// Its address.
    pub address: Address,
    /// Its private key.
    pub key: B256,
}

/// The account at `m/44'/60'/0'/0/index`.
///
/// # Errors
/// [`AccountError::Mnemonic`].
pub fn derive(mnemonic: &str, index: u32) -> Result<DevAccount, AccountError> {
    let signer = MnemonicBuilder::try_from_phrase_nth(mnemonic, index).map_err(AccountError::Mnemonic)?;
    Ok(DevAccount { address: signer.address(), key: signer.to_bytes() })
}

/// The first accounts of a mnemonic.
///
/// # Errors
/// [`AccountError::Mnemonic`].
pub fn derive_many(mnemonic: &str, count: u16) -> Result<Vec<DevAccount>, AccountError> {
    (0..u32::from(count)).map(|index| derive(mnemonic, index)).collect()
}

/// `atoll account`.
///
/// # Errors
/// [`AccountError`].
pub fn run(args: AccountArgs) -> Result<ExitCode, AccountError> {
    match args.command {
        AccountCommand::New { output } => save(&PrivateKeySigner::random(), &output)?,
        AccountCommand::Import { keystore, output, password_file } => {
            save(&keystore::decrypt(&keystore, &password(password_file.as_deref())?)?, &output)?;
        }
        AccountCommand::Dev { mnemonic, accounts } => {
            println!("Development accounts. Everyone has these keys: never send anything real to them.");
            for (index, account) in derive_many(&mnemonic, accounts)?.iter().enumerate() {
                println!("({index}) {}  {}", account.address, account.key);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a key to a new file that only this user can read, and prints its address.
fn save(signer: &PrivateKeySigner, output: &Path) -> Result<(), AccountError> {
    let write = || -> io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(output)?;
        writeln!(file, "{}", signer.to_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| AccountError::Write { path: output.into(), source })?;
    println!("{}", signer.address());
    Ok(())
}

/// The first line of a file, or of standard input.
fn password(file: Option<&Path>) -> Result<String, AccountError> {
    let (from, text) = match file {
        Some(path) => (path.display().to_string(), fs::read_to_string(path)),
        None => {
            eprintln!("Password of the key store:");
            let mut line = String::new();
            ("standard input".to_owned(), io::stdin().lock().read_line(&mut line).map(|_| line))
        }
    };
    let text = text.map_err(|source| AccountError::Password { from, source })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{address, b256};

    #[test]
    fn the_standard_test_accounts() {
        let first = derive(TEST_MNEMONIC, 0).unwrap();
        assert_eq!(first.address, address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
        assert_eq!(first.key, b256!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"));
        assert_eq!(derive(TEST_MNEMONIC, 9).unwrap().address, address!("a0Ee7A142d267C1f36714E4a8F75612F20a79720"));
    }

    #[test]
    fn a_wrong_word_is_refused() {
        assert!(matches!(derive("test test junk", 0), Err(AccountError::Mnemonic(_))));
    }
}
