//! JSON-RPC flags become listeners and limits. What is not told follows from what is: WebSocket from HTTP, the offered
//! namespaces from whether strangers can reach the port.

use crate::cli::rpc::{RpcArgs, RpcLimitArgs};
use atoll_node::rpc::{Auth, Endpoint, Listener, Namespace, RateLimit, RpcConfig, is_public, parse_network};
use std::{
    error::Error,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

type BoxError = Box<dyn Error>;

const MIB: u32 = 1 << 20;

fn auth(jwt: Option<&Path>, tokens: Option<&Path>) -> Result<Auth, BoxError> {
    let mut auth = Auth::default();
    if let Some(path) = jwt {
        auth = auth.with_jwt_file(path)?;
    }
    if let Some(path) = tokens {
        auth = auth.with_token_file(path)?;
    }
    Ok(auth)
}

fn names(given: &[String]) -> Result<Vec<Namespace>, BoxError> {
    Ok(Namespace::parse_list(given.iter().map(String::as_str))?)
}

/// A web page's origin, or `*`.
fn origins(given: &[String]) -> Vec<String> {
    given.iter().map(|origin| origin.trim().to_owned()).filter(|origin| !origin.is_empty()).collect()
}

/// The address HTTP listens on.
pub fn http_address(args: &RpcArgs) -> SocketAddr {
    let (ip, port) = (args.listen.ip(), args.listen.port());
    SocketAddr::new(args.http_addr.unwrap_or(ip), args.http_port.unwrap_or(port))
}

/// The configuration. `advertise` is the name by which others reach this node: requests to it are answered too.
///
/// # Errors
/// A namespace or network that is none, a file of secrets that cannot be used.
pub fn config(args: &RpcArgs, advertise: &str) -> Result<RpcConfig, BoxError> {
    let keys = match &args.dev_mnemonic {
        Some(mnemonic) => crate::accounts::derive_many(mnemonic, args.dev_accounts)?,
        None => Vec::new(),
    };
    let signer = |account: &crate::accounts::DevAccount| alloy_signer_local::PrivateKeySigner::from_bytes(&account.key);
    let config = RpcConfig { dev_keys: keys.iter().map(signer).collect::<Result<_, _>>()?, ..limits(&args.limits)? };
    Ok(RpcConfig { listeners: listeners(args, advertise)?, ..config })
}

fn listeners(args: &RpcArgs, advertise: &str) -> Result<Vec<Listener>, BoxError> {
    let address = http_address(args);
    let ws_address = SocketAddr::new(args.ws_addr.unwrap_or(address.ip()), args.ws_port.unwrap_or(address.port()));
    let defaults = |address: SocketAddr| Namespace::defaults(args.public || is_public(address.ip()));
    let mut vhosts = args.http_vhosts.clone();
    vhosts.push(advertise.to_owned());
    let path = |path: &Option<PathBuf>| path.clone();
    let http = Endpoint {
        namespaces: args.http_api.as_deref().map_or_else(|| Ok(defaults(address)), names)?,
        origins: origins(&args.http_corsdomain),
        vhosts: vhosts.clone(),
        auth: auth(args.http_jwtsecret.as_deref(), args.http_token_file.as_deref())?,
    };
    // Secrets of one's own replace those of HTTP; none at all means the same ones.
    let own_auth = args.ws_jwtsecret.is_some() || args.ws_token_file.is_some();
    let (jwt, tokens) = if own_auth {
        (path(&args.ws_jwtsecret), path(&args.ws_token_file))
    } else {
        (path(&args.http_jwtsecret), path(&args.http_token_file))
    };
    let ws = Endpoint {
        namespaces: match (&args.ws_api, &args.http_api) {
            (Some(given), _) => names(given)?,
            (None, Some(_)) => http.namespaces.clone(),
            (None, None) => defaults(ws_address),
        },
        origins: args.ws_origins.as_deref().map_or_else(|| http.origins.clone(), origins),
        vhosts,
        auth: auth(jwt.as_deref(), tokens.as_deref())?,
    };
    let mut listeners = if ws_address == address {
        vec![Listener { name: "rpc", listen: address, http: Some(http), ws: Some(ws) }]
    } else {
        vec![
            Listener { name: "http", listen: address, http: Some(http), ws: None },
            Listener { name: "ws", listen: ws_address, http: None, ws: Some(ws) },
        ]
    };
    if let Some(listen) = args.admin_listen {
        let endpoint = Endpoint {
            namespaces: names(&args.admin_api)?,
            auth: auth(args.admin_jwtsecret.as_deref(), args.admin_token_file.as_deref())?,
            ..Endpoint::default()
        };
        listeners.push(Listener::shared("admin", listen, endpoint));
    }
    Ok(listeners)
}

fn limits(args: &RpcLimitArgs) -> Result<RpcConfig, BoxError> {
    let seconds = Duration::from_secs;
    let per_second = f64::from(args.rate_limit);
    let burst = args.rate_burst.map_or(2.0 * per_second, |burst| f64::from(burst.max(1)));
    let bytes = |mib: u32| mib.saturating_mul(MIB);
    Ok(RpcConfig {
        max_body_bytes: bytes(args.max_request),
        max_response_bytes: bytes(args.max_response),
        batch_limit: args.batch_limit,
        batch_response_bytes: args.batch_response,
        max_connections: args.max_connections,
        max_subscriptions: args.max_subscriptions,
        max_filters: args.max_filters,
        filter_expiry: seconds(args.filter_expiry),
        rate_limit: (args.rate_limit > 0).then_some(RateLimit { per_second, burst }),
        trusted_proxies: args.trusted_proxies.iter().map(|text| parse_network(text)).collect::<Result<_, _>>()?,
        log_range_limit: args.log_range,
        log_result_limit: args.log_results,
        ots_page_limit: args.ots_page_limit,
        gas_cap: args.gas_cap,
        simulate_blocks: args.simulate_blocks,
        call_timeout: seconds(args.call_timeout),
        trace_timeout: seconds(args.trace_timeout),
        trace_limit_bytes: args.trace_size.saturating_mul(1 << 20),
        concurrent_traces: args.concurrent_traces.into(),
        trace_filter_range: args.trace_filter_range,
        js_tracers: args.js_tracers,
        concurrent_calls: args.concurrent_calls,
        fee_cap: atoll_primitives::U256::from(args.fee_cap),
        header_timeout: seconds(args.header_timeout),
        body_timeout: seconds(args.body_timeout),
        write_timeout: seconds(args.write_timeout),
        ..RpcConfig::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser as _;

    fn parse(flags: &[&str]) -> RpcConfig {
        let cli = Cli::try_parse_from(["atoll", "node"].iter().chain(flags)).unwrap();
        let Some(Command::Node(args)) = cli.command else { panic!("not the node") };
        config(&args.rpc, "node1.example").unwrap()
    }

    fn names(endpoint: Option<&Endpoint>) -> String {
        endpoint.unwrap().namespaces.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn one_port_by_default_with_traces_on_loopback_only() {
        let local = parse(&[]);
        assert_eq!(local.listeners.len(), 1);
        assert_eq!(local.listeners[0].listen, SocketAddr::from(([127, 0, 0, 1], 8545)));
        assert_eq!(names(local.listeners[0].ws.as_ref()), "eth,net,web3,txpool,debug,trace,ots");
        assert_eq!(local.listeners[0].http.as_ref().unwrap().vhosts, ["localhost", "node1.example"]);
        for flags in [&["--rpc.listen=0.0.0.0:1"][..], &["--http.addr=::"], &["--rpc.public"]] {
            assert_eq!(names(parse(flags).listeners[0].http.as_ref()), "eth,net,web3,txpool", "{flags:?}");
        }
    }

    #[test]
    fn geths_flags_and_our_older_ones() {
        let config = parse(&["--http.port=7", "--http.api=eth,admin", "--ws.port=8", "--ws.api", "net"]);
        let [http, ws] = &config.listeners[..] else { panic!("two ports") };
        assert_eq!((http.listen.port(), ws.listen.port(), http.ws.is_none(), ws.http.is_none()), (7, 8, true, true));
        assert_eq!((names(http.http.as_ref()), names(ws.ws.as_ref())), ("eth,admin".into(), "net".into()));
        let old = parse(&["--rpc.api=eth", "--rpc.cors=https://a.example"]);
        assert_eq!(names(old.listeners[0].ws.as_ref()), "eth");
        assert_eq!(old.listeners[0].ws.as_ref().unwrap().origins, ["https://a.example"]);
    }

    #[test]
    fn a_private_port_offers_everything_to_those_with_the_secret() {
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), "11".repeat(32)).unwrap();
        let flag = format!("--admin.jwtsecret={}", secret.path().display());
        let config = parse(&["--admin.listen=127.0.0.1:9", &flag]);
        let private = config.listeners[1].http.as_ref().unwrap();
        assert_eq!(private.namespaces, Namespace::ALL);
        assert!(!private.auth.is_open() && config.listeners[0].http.as_ref().unwrap().auth.is_open());
    }

    #[test]
    fn limits_are_what_the_flags_say() {
        let config = parse(&["--rpc.rate-limit=5", "--rpc.trusted-proxies=10.0.0.0/8,127.0.0.1"]);
        assert_eq!(config.rate_limit, Some(RateLimit { per_second: 5.0, burst: 10.0 }));
        assert_eq!(config.trusted_proxies.len(), 2);
        assert_eq!(parse(&[]).rate_limit, None);
        assert!(parse(&["--rpc.js-tracers"]).js_tracers && !parse(&[]).js_tracers);
        let config = parse(&["--rpc.simulate-blocks=7", "--rpc.concurrent-traces=8", "--rpc.trace-filter-range=9"]);
        assert_eq!((config.simulate_blocks, config.concurrent_traces, config.trace_filter_range), (7, 8, 9));
        let refused = Cli::try_parse_from(["atoll", "node", "--rpc.concurrent-traces=0"]).unwrap_err().to_string();
        assert!(refused.contains("--rpc.concurrent-traces") && refused.contains("1.."), "{refused}");
    }

    #[test]
    fn without_flags_the_limits_are_the_servers_own() {
        let own = RpcConfig { listeners: Vec::new(), ..RpcConfig::default() };
        assert_eq!(format!("{:?}", RpcConfig { listeners: Vec::new(), ..parse(&[]) }), format!("{own:?}"));
    }

    /// Every limit is a flag with its variable, and the guide has its default.
    #[test]
    fn the_guide_lists_every_limit_with_its_default() {
        let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guide.md")).unwrap();
        let rows: Vec<&str> = guide.lines().filter(|line| line.starts_with("| `--rpc.")).collect();
        let command = <Cli as clap::CommandFactory>::command();
        let node = command.find_subcommand("node").unwrap();
        let limits = node.get_arguments().filter(|arg| arg.get_help_heading() == Some("JSON-RPC limits"));
        let mut seen = 0;
        for arg in limits {
            let flag = arg.get_long().unwrap();
            let row = rows.iter().find(|row| row.contains(&format!("`--{flag}`")));
            let row = row.unwrap_or_else(|| panic!("the guide's table of limits lacks --{flag}")).replace(',', "");
            let variable = format!("ATOLL_{}", flag.to_uppercase().replace(['.', '-'], "_"));
            assert_eq!(arg.get_env().unwrap().to_str(), Some(&*variable));
            // Zero and switches are said in words.
            for value in arg.get_default_values().iter().filter(|value| *value != "0" && *value != "false") {
                assert!(row.contains(&format!(" {}", value.to_str().unwrap())), "--{flag}: {value:?} is not in {row}");
            }
            seen += 1;
        }
        assert!(seen > 20, "{seen}");
    }
}
