//! What the operator chooses about JSON-RPC: listeners and limits. It must not know where a value comes from: flags are
//! the program's.

use crate::{Auth, Namespace};
use alloy_signer_local::PrivateKeySigner;
use atoll_primitives::U256;
use ipnet::IpNet;
use std::{net::SocketAddr, time::Duration};

/// What one protocol of a listener offers, and to whom.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// What is offered.
    pub namespaces: Vec<Namespace>,
    /// Origins a browser may call from (`*` for any): CORS over HTTP, the handshake's origin over WebSocket.
    pub origins: Vec<String>,
    /// Host names a request may be addressed to (`*` for any). IP addresses always pass: the check is there
    /// against DNS rebinding, which needs a name.
    pub vhosts: Vec<String>,
    /// What a client has to show; nothing by default.
    pub auth: Auth,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self {
            namespaces: Namespace::defaults(true),
            origins: Vec::new(),
            vhosts: vec!["localhost".to_owned()],
            auth: Auth::default(),
        }
    }
}

/// A port. HTTP and WebSocket may share it, and may offer different things on it.
#[derive(Debug, Clone)]
pub struct Listener {
    /// What it is called in the log.
    pub name: &'static str,
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// HTTP, if it is served here.
    pub http: Option<Endpoint>,
    /// WebSocket, if it is served here.
    pub ws: Option<Endpoint>,
}

impl Listener {
    /// HTTP and WebSocket on one port, alike.
    pub fn shared(name: &'static str, listen: SocketAddr, endpoint: Endpoint) -> Self {
        Self { name, listen, http: Some(endpoint.clone()), ws: Some(endpoint) }
    }
}

/// How many requests one client may make.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimit {
    /// Requests a second in the long run; each entry of a batch is one.
    pub per_second: f64,
    /// Requests at once.
    pub burst: f64,
}

/// Neither an IP address nor a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an IP address nor a network such as 10.0.0.0/8")]
pub struct NotANetwork(pub String);

/// Reads `10.0.0.0/8`, or `10.0.0.1` for that address alone.
///
/// # Errors
/// [`NotANetwork`].
pub fn parse_network(text: &str) -> Result<IpNet, NotANetwork> {
    let address = |text: &str| text.parse::<std::net::IpAddr>().ok().map(|ip| IpNet::from(ip.to_canonical()));
    text.parse().ok().or_else(|| address(text)).ok_or_else(|| NotANetwork(text.to_owned()))
}

/// Listeners and limits of the JSON-RPC server.
#[derive(Debug, Clone)]
pub struct RpcConfig {
    /// Where what is served.
    pub listeners: Vec<Listener>,
    /// Bytes of a request, over HTTP and of a WebSocket message.
    pub max_body_bytes: u32,
    /// Bytes of an answer.
    pub max_response_bytes: u32,
    /// Entries of a batch.
    pub batch_limit: u32,
    /// Bytes of all answers of a batch together.
    pub batch_response_bytes: usize,
    /// Open connections of all listeners.
    pub max_connections: usize,
    /// Subscriptions of one WebSocket connection.
    pub max_subscriptions: usize,
    /// Calls that execute or search at one time, and as many that only read; the others wait, at most `call_timeout`.
    pub concurrent_calls: usize,
    /// Blocks one log query may span.
    pub log_range_limit: u64,
    /// Logs one query may return.
    pub log_result_limit: usize,
    /// Transactions one page of Otterscan may hold.
    pub ots_page_limit: usize,
    /// Polled filters of all clients.
    pub max_filters: usize,
    /// How long a filter lives that nobody polls.
    pub filter_expiry: Duration,
    /// Gas of one `eth_call`, whatever the request says.
    pub gas_cap: u64,
    /// Blocks of one `eth_simulateV1`, with those that fill gaps between numbers.
    pub simulate_blocks: u64,
    /// How long a call or a log query may take.
    pub call_timeout: Duration,
    /// How long a trace may take, whatever its `timeout` says.
    pub trace_timeout: Duration,
    /// Bytes of a trace's answer; a trace that would become larger is ended.
    pub trace_limit_bytes: usize,
    /// Whether clients may trace with JavaScript of their own.
    pub js_tracers: bool,
    /// Traces made at one time; the others wait, at most `trace_timeout`.
    pub concurrent_traces: usize,
    /// Blocks one `trace_filter` may span.
    pub trace_filter_range: u64,
    /// Most a transaction sent through this server may pay in fees, in wei; zero for no limit.
    pub fee_cap: U256,
    /// Requests a second of one client; `None` for no limit.
    pub rate_limit: Option<RateLimit>,
    /// Proxies whose `X-Forwarded-For` is believed, and which are not limited themselves.
    pub trusted_proxies: Vec<IpNet>,
    /// How long a client may take over the headers of a request, and how long a connection may be idle before.
    pub header_timeout: Duration,
    /// How long a client may take over the body of a request.
    pub body_timeout: Duration,
    /// How long a client may take to read what was written for it before it is cut off.
    pub write_timeout: Duration,
    /// Keys that the node signs with for `eth_sendTransaction` and its kin. For development only: whoever reaches
    /// the port can spend from them.
    pub dev_keys: Vec<PrivateKeySigner>,
}

impl Default for RpcConfig {
    fn default() -> Self {
        Self {
            listeners: vec![Listener::shared("rpc", SocketAddr::from(([127, 0, 0, 1], 8545)), Endpoint::default())],
            max_body_bytes: 16 << 20,
            max_response_bytes: 64 << 20,
            batch_limit: 1000,
            // geth's.
            batch_response_bytes: 25_000_000,
            max_connections: 10_000,
            max_subscriptions: 1024,
            concurrent_calls: 64,
            log_range_limit: 100_000,
            log_result_limit: 20_000,
            ots_page_limit: 25,
            max_filters: 1024,
            // geth's.
            filter_expiry: Duration::from_secs(300),
            gas_cap: 50_000_000,
            simulate_blocks: 256,
            call_timeout: Duration::from_secs(5),
            trace_timeout: Duration::from_secs(30),
            trace_limit_bytes: 64 << 20,
            js_tracers: false,
            concurrent_traces: 4,
            trace_filter_range: 1000,
            fee_cap: U256::from(10).pow(U256::from(18)),
            rate_limit: None,
            trusted_proxies: Vec::new(),
            header_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            dev_keys: Vec::new(),
        }
    }
}
