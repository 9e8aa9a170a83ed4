//! Flags of a node's JSON-RPC: where it listens, what is offered to whom, and the limits. Names are geth's where geth
//! has the flag; older names of ours are aliases.

use clap::Args;
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

/// Listeners.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "JSON-RPC")]
pub struct RpcArgs {
    /// Listen address of JSON-RPC: HTTP and WebSocket share the port unless --ws.port says otherwise
    #[arg(long = "rpc.listen", env = "ATOLL_RPC_LISTEN", default_value = "127.0.0.1:8545", value_name = "IP:PORT")]
    pub listen: SocketAddr,
    /// Strangers can reach the port, through a balancer for instance: offer no private namespace by default [default: whether the address is not a loopback one]
    #[arg(long = "rpc.public", env = "ATOLL_RPC_PUBLIC")]
    pub public: bool,
    /// Listen address of HTTP [default: --rpc.listen's]
    #[arg(long = "http.addr", env = "ATOLL_HTTP_ADDR", value_name = "IP")]
    pub http_addr: Option<IpAddr>,
    /// Port of HTTP [default: --rpc.listen's]
    #[arg(long = "http.port", env = "ATOLL_HTTP_PORT", value_name = "PORT")]
    pub http_port: Option<u16>,
    /// Namespaces offered, or `all` [default: eth,net,web3,txpool; debug, trace and ots too on a loopback address]
    #[arg(long = "http.api", alias = "rpc.api", env = "ATOLL_HTTP_API", value_delimiter = ',', value_name = "NAME,…")]
    pub http_api: Option<Vec<String>>,
    /// Origins a browser may call from
    #[arg(
        long = "http.corsdomain",
        alias = "rpc.cors",
        env = "ATOLL_HTTP_CORSDOMAIN",
        default_value = "*",
        value_delimiter = ',',
        value_name = "ORIGIN,…"
    )]
    pub http_corsdomain: Vec<String>,
    /// Host names that requests may be addressed to, besides IP addresses and the advertised name; `*` for any
    #[arg(
        long = "http.vhosts",
        env = "ATOLL_HTTP_VHOSTS",
        default_value = "localhost",
        value_delimiter = ',',
        value_name = "HOST,…"
    )]
    pub http_vhosts: Vec<String>,
    /// File with a secret of 32 bytes in hex: clients then show a JSON Web Token, as with the Engine API
    #[arg(long = "http.jwtsecret", env = "ATOLL_HTTP_JWTSECRET", value_name = "FILE")]
    pub http_jwtsecret: Option<PathBuf>,
    /// File with bearer tokens, one a line: clients then show one of them
    #[arg(long = "http.token-file", env = "ATOLL_HTTP_TOKEN_FILE", value_name = "FILE")]
    pub http_token_file: Option<PathBuf>,
    /// Listen address of WebSocket [default: HTTP's]
    #[arg(long = "ws.addr", env = "ATOLL_WS_ADDR", value_name = "IP")]
    pub ws_addr: Option<IpAddr>,
    /// Port of WebSocket [default: HTTP's]
    #[arg(long = "ws.port", env = "ATOLL_WS_PORT", value_name = "PORT")]
    pub ws_port: Option<u16>,
    /// Namespaces offered over WebSocket [default: as over HTTP]
    #[arg(long = "ws.api", env = "ATOLL_WS_API", value_delimiter = ',', value_name = "NAME,…")]
    pub ws_api: Option<Vec<String>>,
    /// Origins a browser may open WebSockets from [default: --http.corsdomain]
    #[arg(long = "ws.origins", env = "ATOLL_WS_ORIGINS", value_delimiter = ',', value_name = "ORIGIN,…")]
    pub ws_origins: Option<Vec<String>>,
    /// JWT secret of WebSocket [default: HTTP's]
    #[arg(long = "ws.jwtsecret", env = "ATOLL_WS_JWTSECRET", value_name = "FILE")]
    pub ws_jwtsecret: Option<PathBuf>,
    /// Bearer tokens of WebSocket [default: HTTP's]
    #[arg(long = "ws.token-file", env = "ATOLL_WS_TOKEN_FILE", value_name = "FILE")]
    pub ws_token_file: Option<PathBuf>,
    /// Listen address of a private port besides, HTTP and WebSocket [default: none]
    #[arg(long = "admin.listen", env = "ATOLL_ADMIN_LISTEN", value_name = "IP:PORT")]
    pub admin_listen: Option<SocketAddr>,
    /// Namespaces offered on the private port
    #[arg(
        long = "admin.api",
        env = "ATOLL_ADMIN_API",
        default_value = "all",
        value_delimiter = ',',
        value_name = "NAME,…"
    )]
    pub admin_api: Vec<String>,
    /// JWT secret of the private port
    #[arg(long = "admin.jwtsecret", env = "ATOLL_ADMIN_JWTSECRET", value_name = "FILE")]
    pub admin_jwtsecret: Option<PathBuf>,
    /// Bearer tokens of the private port
    #[arg(long = "admin.token-file", env = "ATOLL_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
    /// Hold the keys of this mnemonic's first accounts and sign with them for anyone who asks. For development only
    #[arg(
        long = "unsafe-dev-mnemonic",
        env = "ATOLL_UNSAFE_DEV_MNEMONIC",
        hide_env_values = true,
        value_name = "WORDS"
    )]
    pub dev_mnemonic: Option<String>,
    /// How many accounts of that mnemonic
    #[arg(long = "unsafe-dev-accounts", env = "ATOLL_UNSAFE_DEV_ACCOUNTS", default_value_t = 10, value_name = "N")]
    pub dev_accounts: u16,
    /// Limits
    #[command(flatten)]
    pub limits: RpcLimitArgs,
}

/// Limits.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "JSON-RPC limits")]
pub struct RpcLimitArgs {
    /// Largest request, in MiB
    #[arg(long = "rpc.max-request", env = "ATOLL_RPC_MAX_REQUEST", default_value_t = 16, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub max_request: u32,
    /// Largest response, in MiB
    #[arg(long = "rpc.max-response", env = "ATOLL_RPC_MAX_RESPONSE", default_value_t = 64, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=2048))]
    pub max_response: u32,
    /// Most entries of a batch
    #[arg(
        long = "rpc.batch-limit",
        alias = "rpc.batch-request-limit",
        env = "ATOLL_RPC_BATCH_LIMIT",
        default_value_t = 1000,
        value_name = "N"
    )]
    pub batch_limit: u32,
    /// Most bytes of all answers of a batch together
    #[arg(
        long = "rpc.batch-response-max-size",
        env = "ATOLL_RPC_BATCH_RESPONSE_MAX_SIZE",
        default_value_t = 25_000_000,
        value_name = "BYTES"
    )]
    pub batch_response: usize,
    /// Most open connections
    #[arg(long = "rpc.max-connections", env = "ATOLL_RPC_MAX_CONNECTIONS", default_value_t = 10_000, value_name = "N")]
    pub max_connections: usize,
    /// Most subscriptions of one WebSocket connection
    #[arg(
        long = "rpc.max-subscriptions",
        env = "ATOLL_RPC_MAX_SUBSCRIPTIONS",
        default_value_t = 1024,
        value_name = "N"
    )]
    pub max_subscriptions: usize,
    /// Most polled filters of all clients
    #[arg(long = "rpc.max-filters", env = "ATOLL_RPC_MAX_FILTERS", default_value_t = 1024, value_name = "N")]
    pub max_filters: usize,
    /// Seconds a filter lives that nobody polls
    #[arg(long = "rpc.filter-expiry", env = "ATOLL_RPC_FILTER_EXPIRY", default_value_t = 300, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub filter_expiry: u64,
    /// Requests a second that one client may make, each entry of a batch counted; 0 for no limit
    #[arg(long = "rpc.rate-limit", env = "ATOLL_RPC_RATE_LIMIT", default_value_t = 0, value_name = "N")]
    pub rate_limit: u32,
    /// Requests that one client may make at once [default: twice --rpc.rate-limit]
    #[arg(long = "rpc.rate-burst", env = "ATOLL_RPC_RATE_BURST", value_name = "N")]
    pub rate_burst: Option<u32>,
    /// Proxies, as addresses or networks (10.0.0.0/8): they are not limited, and their X-Forwarded-For is believed
    #[arg(
        long = "rpc.trusted-proxies",
        env = "ATOLL_RPC_TRUSTED_PROXIES",
        value_delimiter = ',',
        value_name = "NETWORK,…"
    )]
    pub trusted_proxies: Vec<String>,
    /// Most blocks that eth_getLogs looks at
    #[arg(long = "rpc.log-range", env = "ATOLL_RPC_LOG_RANGE", default_value_t = 100_000, value_name = "BLOCKS")]
    pub log_range: u64,
    /// Most logs that eth_getLogs returns
    #[arg(long = "rpc.log-results", env = "ATOLL_RPC_LOG_RESULTS", default_value_t = 20_000, value_name = "N")]
    pub log_results: usize,
    /// Most transactions on a page of the ots_ namespace
    #[arg(long = "rpc.ots-page-limit", env = "ATOLL_RPC_OTS_PAGE_LIMIT", default_value_t = 25, value_name = "N")]
    pub ots_page_limit: usize,
    /// Gas limit of eth_call and eth_estimateGas
    #[arg(
        long = "rpc.gas-cap",
        alias = "rpc.gascap",
        env = "ATOLL_RPC_GAS_CAP",
        default_value_t = 50_000_000,
        value_name = "GAS"
    )]
    pub gas_cap: u64,
    /// Most blocks of one eth_simulateV1, with those that fill gaps between numbers
    #[arg(long = "rpc.simulate-blocks", env = "ATOLL_RPC_SIMULATE_BLOCKS", default_value_t = 256, value_name = "BLOCKS", value_parser = clap::value_parser!(u64).range(1..))]
    pub simulate_blocks: u64,
    /// Longest time of a call or a log query, in seconds
    #[arg(long = "rpc.call-timeout", env = "ATOLL_RPC_CALL_TIMEOUT", default_value_t = 5, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub call_timeout: u64,
    /// Longest time of a trace, in seconds
    #[arg(long = "rpc.trace-timeout", env = "ATOLL_RPC_TRACE_TIMEOUT", default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub trace_timeout: u64,
    /// Most memory that one trace collects, in MiB
    #[arg(long = "rpc.trace-size", env = "ATOLL_RPC_TRACE_SIZE", default_value_t = 64, value_name = "MIB")]
    pub trace_size: usize,
    /// Traces that run at one time; the others wait. Each may use a processor and several times --rpc.trace-size
    #[arg(long = "rpc.concurrent-traces", env = "ATOLL_RPC_CONCURRENT_TRACES", default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrent_traces: u16,
    /// Most blocks that trace_filter and debug_getModifiedAccounts* run again
    #[arg(long = "rpc.trace-filter-range", env = "ATOLL_RPC_TRACE_FILTER_RANGE", default_value_t = 1000, value_name = "BLOCKS", value_parser = clap::value_parser!(u64).range(1..))]
    pub trace_filter_range: u64,
    /// Let clients of the debug namespace trace with JavaScript of their own; for clients that are trusted
    #[arg(long = "rpc.js-tracers", env = "ATOLL_RPC_JS_TRACERS")]
    pub js_tracers: bool,
    /// Calls that execute or search at one time, and as many that only read; the others wait
    #[arg(long = "rpc.concurrent-calls", env = "ATOLL_RPC_CONCURRENT_CALLS", default_value_t = 64, value_name = "N")]
    pub concurrent_calls: usize,
    /// Most that a transaction sent here may pay in fees, in wei; 0 for no limit
    #[arg(
        long = "rpc.fee-cap",
        env = "ATOLL_RPC_FEE_CAP",
        default_value_t = 1_000_000_000_000_000_000,
        value_name = "WEI"
    )]
    pub fee_cap: u128,
    /// Seconds a connection may be idle, and a client may take over the headers of a request
    #[arg(long = "rpc.header-timeout", env = "ATOLL_RPC_HEADER_TIMEOUT", default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub header_timeout: u64,
    /// Seconds a client may take over the body of a request
    #[arg(long = "rpc.body-timeout", env = "ATOLL_RPC_BODY_TIMEOUT", default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub body_timeout: u64,
    /// Seconds a client may take to read what was written for it
    #[arg(long = "rpc.write-timeout", env = "ATOLL_RPC_WRITE_TIMEOUT", default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub write_timeout: u64,
}
