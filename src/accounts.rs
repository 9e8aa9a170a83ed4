//! Development accounts from a mnemonic, and `atoll account`.
//!
//! Keys made here for real use go to a file, never to a log or a flag.

use crate::cli::tools::{AccountArgs, AccountCommand};
use alloy_primitives::{Address, B256};
use alloy_signer_local::{MnemonicBuilder, PrivateKeySigner};
use std::{io::Write, path::PathBuf, process::ExitCode};

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
        source: std::io::Error,
    },
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
        AccountCommand::New { output } => {
            let signer = PrivateKeySigner::random();
            let write = |path: &PathBuf| -> std::io::Result<()> {
                use std::os::unix::fs::OpenOptionsExt;
                let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
                writeln!(file, "{}", signer.to_bytes())?;
                file.sync_all()
            };
            write(&output).map_err(|source| AccountError::Write { path: output.clone(), source })?;
            println!("{}", signer.address());
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
