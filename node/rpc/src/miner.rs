//! The `miner` namespace: switches of this node's miner. Nobody but the operator should reach it.

use crate::{RpcError, context::Node};
use atoll_primitives::{Address, Bytes, U64, U256};
use jsonrpsee::proc_macros::rpc;
use std::sync::Arc;

/// Answers `true`, or null for start and stop, as geth does.
#[rpc(server, namespace = "miner")]
pub(crate) trait MinerApi {
    /// geth's thread count is taken and ignored: the share of CPU is set by flag.
    #[method(name = "start")]
    fn start(&self, threads: Option<u64>) -> Result<(), RpcError>;
    #[method(name = "stop")]
    fn stop(&self) -> Result<(), RpcError>;
    #[method(name = "setEtherbase")]
    fn set_etherbase(&self, coinbase: Address) -> Result<bool, RpcError>;
    #[method(name = "setGasPrice")]
    fn set_gas_price(&self, price: U256) -> Result<bool, RpcError>;
    #[method(name = "setGasLimit")]
    fn set_gas_limit(&self, limit: U64) -> Result<bool, RpcError>;
    /// Text, or bytes in hex.
    #[method(name = "setExtra")]
    fn set_extra(&self, extra: String) -> Result<bool, RpcError>;
}

/// Answers from a node.
pub(crate) struct Miner(pub(crate) Arc<Node>);

impl MinerApiServer for Miner {
    fn start(&self, _threads: Option<u64>) -> Result<(), RpcError> {
        Ok(self.0.control.start_mining()?)
    }

    fn stop(&self) -> Result<(), RpcError> {
        Ok(self.0.control.stop_mining()?)
    }

    fn set_etherbase(&self, coinbase: Address) -> Result<bool, RpcError> {
        self.0.control.set_coinbase(coinbase)?;
        Ok(true)
    }

    fn set_gas_price(&self, price: U256) -> Result<bool, RpcError> {
        self.0.control.set_gas_price(price)?;
        Ok(true)
    }

    fn set_gas_limit(&self, limit: U64) -> Result<bool, RpcError> {
        self.0.control.set_gas_limit(limit.to())?;
        Ok(true)
    }

    fn set_extra(&self, extra: String) -> Result<bool, RpcError> {
        let bytes = extra.parse::<Bytes>().ok().filter(|_| extra.starts_with("0x"));
        self.0.control.set_extra(bytes.unwrap_or_else(|| extra.into_bytes().into()))?;
        Ok(true)
    }
}
