//! What the operator chooses about JSON-RPC. It must not know where a value comes from: flags are the program's.

use alloy_signer_local::PrivateKeySigner;
use atoll_primitives::U256;
use std::{fmt, net::SocketAddr, str::FromStr, time::Duration};

/// A set of methods that is offered or not, named as in geth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// Blocks, state, transactions, calls, logs, filters, subscriptions.
    Eth,
    /// Network ID and peer count.
    Net,
    /// Client version and Keccak-256; the development accounts' `personal_sign` comes with `eth`.
    Web3,
    /// What the transaction pool holds.
    Txpool,
    /// Raw data and traces.
    Debug,
    /// Peers of this node.
    Admin,
    /// The miner's switches.
    Miner,
    /// Mining on request, for development.
    Evm,
}

/// A namespace nobody offers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown JSON-RPC namespace `{0}`; known are eth, net, web3, txpool, debug, admin, miner, evm")]
pub struct UnknownNamespace(pub String);

impl FromStr for Namespace {
    type Err = UnknownNamespace;

    fn from_str(name: &str) -> Result<Self, UnknownNamespace> {
        Ok(match name {
            "eth" => Self::Eth,
            "net" => Self::Net,
            "web3" => Self::Web3,
            "txpool" => Self::Txpool,
            "debug" => Self::Debug,
            "admin" => Self::Admin,
            "miner" => Self::Miner,
            "evm" => Self::Evm,
            _ => return Err(UnknownNamespace(name.to_owned())),
        })
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eth => "eth",
            Self::Net => "net",
            Self::Web3 => "web3",
            Self::Txpool => "txpool",
            Self::Debug => "debug",
            Self::Admin => "admin",
            Self::Miner => "miner",
            Self::Evm => "evm",
        })
    }
}

/// Address, namespaces and limits of the JSON-RPC server.
#[derive(Debug, Clone)]
pub struct RpcConfig {
    /// Where HTTP and WebSocket are served; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What is offered.
    pub namespaces: Vec<Namespace>,
    /// Origins a browser may call from (`*` for any); also checked for WebSocket handshakes.
    pub cors_domains: Vec<String>,
    /// Host names a request may be addressed to (`*` for any). IP addresses always pass: the check is there
    /// against DNS rebinding, which needs a name.
    pub vhosts: Vec<String>,
    /// Bytes of a request.
    pub max_body_bytes: u32,
    /// Bytes of an answer.
    pub max_response_bytes: u32,
    /// Entries of a batch.
    pub batch_limit: u32,
    /// HTTP requests in progress and WebSocket connections, together.
    pub max_connections: u32,
    /// Subscriptions of one WebSocket connection.
    pub max_subscriptions: u32,
    /// Calls that execute or read storage at one time; the others wait, at most `call_timeout`.
    pub concurrent_calls: usize,
    /// Blocks one log query may span.
    pub log_range_limit: u64,
    /// Logs one query may return.
    pub log_result_limit: usize,
    /// Polled filters of all clients.
    pub max_filters: usize,
    /// Gas of one `eth_call`, whatever the request says.
    pub gas_cap: u64,
    /// How long a call, a trace or a log query may take.
    pub call_timeout: Duration,
    /// Most a transaction sent through this server may pay in fees, in wei; zero for no limit.
    pub fee_cap: U256,
    /// Keys that the node signs with for `eth_sendTransaction` and its kin. For development only: whoever reaches
    /// the port can spend from them.
    pub dev_keys: Vec<PrivateKeySigner>,
}

impl Default for RpcConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8545)),
            namespaces: vec![Namespace::Eth, Namespace::Net, Namespace::Web3],
            cors_domains: Vec::new(),
            vhosts: vec!["localhost".to_owned()],
            max_body_bytes: 5 << 20,
            max_response_bytes: 64 << 20,
            batch_limit: 1000,
            max_connections: 1024,
            max_subscriptions: 1024,
            concurrent_calls: 64,
            log_range_limit: 100_000,
            log_result_limit: 20_000,
            max_filters: 1024,
            gas_cap: 50_000_000,
            call_timeout: Duration::from_secs(5),
            fee_cap: U256::from(10).pow(U256::from(18)),
            dev_keys: Vec::new(),
        }
    }
}
