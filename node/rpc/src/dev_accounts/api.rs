//! Methods that sign: the part of `eth` that needs accounts, and `personal_sign`.

use crate::{
    RpcError,
    context::{Json, Node, json},
};
use alloy_dyn_abi::TypedData;
use alloy_rpc_types_eth::TransactionRequest;
use alloy_signer::SignerSync as _;
use atoll_primitives::{Address, B256, Bytes, eip2718::Encodable2718 as _};
use jsonrpsee::{core::async_trait, proc_macros::rpc};
use serde::Serialize;
use std::sync::Arc;

/// Signing under `eth`.
#[rpc(server, namespace = "eth")]
pub(crate) trait EthAccounts {
    #[method(name = "accounts")]
    fn accounts(&self) -> Result<Vec<Address>, RpcError>;
    #[method(name = "sendTransaction")]
    async fn send_transaction(&self, request: TransactionRequest) -> Result<B256, RpcError>;
    #[method(name = "signTransaction")]
    async fn sign_transaction(&self, request: TransactionRequest) -> Result<Json, RpcError>;
    #[method(name = "sign")]
    fn sign(&self, address: Address, message: Bytes) -> Result<Bytes, RpcError>;
    #[method(name = "signTypedData_v4", aliases = ["eth_signTypedData"])]
    fn sign_typed_data(&self, address: Address, data: TypedData) -> Result<Bytes, RpcError>;
}

/// Signing as wallets name it.
#[rpc(server, namespace = "personal")]
pub(crate) trait Personal {
    #[method(name = "sign")]
    fn personal_sign(&self, message: Bytes, address: Address, password: Option<String>) -> Result<Bytes, RpcError>;
}

/// Answers from a node.
pub(crate) struct DevAccountsApi(pub(crate) Arc<Node>);

/// What `eth_signTransaction` answers: the encoding, and the transaction itself.
#[derive(Serialize)]
struct SignedTransaction<'a, T> {
    raw: Bytes,
    tx: &'a T,
}

/// Who sends; without `from`, the only account there is.
fn sender(node: &Node, request: &TransactionRequest) -> Result<Address, RpcError> {
    let only = || match node.accounts.addresses().as_slice() {
        [only] => Some(*only),
        _ => None,
    };
    request.from.or_else(only).ok_or(RpcError::UnknownAccount(Address::ZERO))
}

fn sign_message(node: &Node, address: Address, message: &[u8]) -> Result<Bytes, RpcError> {
    let signature = node.accounts.get(address)?.signer.sign_message_sync(message);
    signature.map(|signature| signature.as_bytes().into()).map_err(|error| RpcError::Signing(error.to_string()))
}

#[async_trait]
impl EthAccountsServer for DevAccountsApi {
    fn accounts(&self) -> Result<Vec<Address>, RpcError> {
        Ok(self.0.accounts.addresses())
    }

    async fn send_transaction(&self, request: TransactionRequest) -> Result<B256, RpcError> {
        let from = sender(&self.0, &request)?;
        let _turn = self.0.accounts.get(from)?.sending.lock().await;
        let work = move |node: &Node| {
            let tx = node.sign(from, request)?;
            node.check_fee(&tx)?;
            node.pool_add(tx)
        };
        self.0.executing(work).await
    }

    async fn sign_transaction(&self, request: TransactionRequest) -> Result<Json, RpcError> {
        let from = sender(&self.0, &request)?;
        let work = move |node: &Node| {
            let tx = node.sign(from, request)?;
            node.check_fee(&tx)?;
            json(&SignedTransaction { raw: tx.encoded_2718().into(), tx: &tx })
        };
        self.0.executing(work).await
    }

    fn sign(&self, address: Address, message: Bytes) -> Result<Bytes, RpcError> {
        sign_message(&self.0, address, &message)
    }

    fn sign_typed_data(&self, address: Address, data: TypedData) -> Result<Bytes, RpcError> {
        let signer = &self.0.accounts.get(address)?.signer;
        let invalid = |reason: String| RpcError::InvalidArgument { index: 1, reason };
        let hash = data.eip712_signing_hash().map_err(|error| invalid(error.to_string()))?;
        let signature = signer.sign_hash_sync(&hash).map_err(|error| RpcError::Signing(error.to_string()))?;
        Ok(signature.as_bytes().into())
    }
}

#[async_trait]
impl PersonalServer for DevAccountsApi {
    fn personal_sign(&self, message: Bytes, address: Address, _password: Option<String>) -> Result<Bytes, RpcError> {
        sign_message(&self.0, address, &message)
    }
}
