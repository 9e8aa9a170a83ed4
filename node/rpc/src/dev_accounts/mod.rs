//! Development accounts: keys the operator gave the node to sign with, for tools that expect an unlocked node.
//!
//! Off unless keys are given. Keys never leave this module, and never reach a log.

mod api;
mod fill;

pub(crate) use api::{DevAccountsApi, EthAccountsServer, PersonalServer};

use crate::RpcError;
use alloy_signer_local::PrivateKeySigner;
use atoll_primitives::Address;
use tokio::sync::Mutex;

struct DevAccount {
    address: Address,
    signer: PrivateKeySigner,
    /// Held from reading the nonce to the pool's answer, so that sends at the same time get consecutive nonces.
    sending: Mutex<()>,
}

/// The accounts, in the order given.
pub(crate) struct DevAccounts(Vec<DevAccount>);

impl DevAccounts {
    pub(crate) fn new(keys: &[PrivateKeySigner]) -> Self {
        let account = |signer: &PrivateKeySigner| DevAccount {
            address: signer.address(),
            signer: signer.clone(),
            sending: Mutex::default(),
        };
        Self(keys.iter().map(account).collect())
    }

    pub(crate) fn addresses(&self) -> Vec<Address> {
        self.0.iter().map(|account| account.address).collect()
    }

    fn get(&self, address: Address) -> Result<&DevAccount, RpcError> {
        self.0.iter().find(|account| account.address == address).ok_or(RpcError::UnknownAccount(address))
    }
}
