//! The JSON-RPC server: its ports, started and stopped together.

use crate::{
    Endpoint, Namespace, RpcConfig, RpcContext,
    context::Node,
    dispatch::Dispatcher,
    feed,
    http::{Door, Port},
    listener, modules,
};
use jsonrpsee::core::RegisterMethodError;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::{mpsc, watch},
};

/// How long connections may take to end when the server stops.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("JSON-RPC cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// A CORS domain that no browser could send.
    #[error("`{0}` is not an origin")]
    CorsDomain(String),
    /// The system gives no threads.
    #[error("JSON-RPC cannot start its threads")]
    Threads(#[source] io::Error),
    /// Two namespaces offer one method.
    #[error("methods could not be registered")]
    Methods(#[from] RegisterMethodError),
    /// No port that serves HTTP.
    #[error("JSON-RPC needs a listener for HTTP")]
    NoListener,
}

/// A running server. Dropping it stops the server too.
#[derive(Debug)]
pub struct RpcServerHandle {
    /// Where HTTP listens.
    pub local_addr: SocketAddr,
    /// Where WebSocket listens, if it does.
    pub ws_addr: Option<SocketAddr>,
    /// Where every listener listens, in the order of the configuration.
    pub addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    alive: mpsc::Receiver<()>,
    _workers: Workers,
}

/// The runtime of the server alone: a worker may wait for a disk or a lock without keeping peers, mining or the import
/// of blocks waiting, and a lookup need not change threads.
#[derive(Debug)]
struct Workers(Option<Runtime>);

/// Threads that answer: one more than there are cores, so that one may wait. More only change places more often.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).max(2) + 1
}

impl Workers {
    fn start() -> io::Result<Self> {
        Builder::new_multi_thread()
            .worker_threads(workers())
            .thread_name("rpc")
            .enable_all()
            .build()
            .map(Some)
            .map(Self)
    }

    fn handle(&self) -> Option<&Handle> {
        self.0.as_ref().map(Runtime::handle)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // Waiting is not allowed where tasks run, and what still runs here answers nobody any more.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl RpcServerHandle {
    /// Stops: no new connections, requests in progress are answered. Returns when the last connection is closed, or
    /// after some seconds.
    pub async fn stop(mut self) {
        // All listeners may have ended already.
        let _ = self.stop.send(true);
        // Nothing is ever sent: it ends with the last sender.
        let _ = tokio::time::timeout(LAST_ANSWERS, self.alive.recv()).await;
    }
}

/// Serves JSON-RPC over HTTP and WebSocket, on threads of its own.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve(config: RpcConfig, context: RpcContext) -> Result<RpcServerHandle, ServeError> {
    let node = Arc::new(Node::new(context, config));
    let workers = Workers::start().map_err(ServeError::Threads)?;
    // Sockets and tasks belong to the runtime they are made in.
    let _entered = workers.handle().map(Handle::enter);
    let (stop, stopped) = watch::channel(false);
    let (alive, ended) = mpsc::channel(1);
    let (mut local_addr, mut ws_addr, mut addresses) = (None, None, Vec::new());
    let mut ports = Vec::new();
    for listener in &node.config.listeners {
        let (socket, address) = listener::bind(listener)?;
        let door = |endpoint: &Option<Endpoint>| -> Result<Option<Door>, ServeError> {
            let Some(endpoint) = endpoint else { return Ok(None) };
            let dispatcher = Dispatcher::new(modules::modules(&node, &endpoint.namespaces)?, node.clone());
            Ok(Some(Door { endpoint: endpoint.clone(), dispatcher }))
        };
        let cors = listener.http.as_ref().map(|http| listener::cors(&http.origins)).transpose()?.flatten();
        let port = Port {
            node: node.clone(),
            http: door(&listener.http)?,
            ws: door(&listener.ws)?,
            stop: stopped.clone(),
            _alive: alive.clone(),
        };
        if listener.http.is_some() {
            local_addr.get_or_insert(address);
        }
        if listener.ws.is_some() {
            ws_addr.get_or_insert(address);
        }
        for (protocol, endpoint) in [("http", &listener.http), ("ws", &listener.ws)] {
            if let Some(endpoint) = endpoint {
                announce(listener.name, protocol, address, endpoint);
            }
        }
        addresses.push(address);
        ports.push((socket, Arc::new(port), cors));
    }
    let local_addr = local_addr.ok_or(ServeError::NoListener)?;
    for (socket, port, cors) in ports {
        tokio::spawn(listener::accept(socket, port, cors, stopped.clone()));
    }
    tokio::spawn(feed::run(node.clone(), stopped));
    if !node.config.dev_keys.is_empty() {
        tracing::warn!(%local_addr, "development accounts are unlocked: whoever reaches the port can spend from them");
    }
    Ok(RpcServerHandle { local_addr, ws_addr, addresses, stop, alive: ended, _workers: workers })
}

/// Says in the log what is offered where, and warns of what strangers could misuse.
fn announce(name: &str, protocol: &str, address: SocketAddr, endpoint: &Endpoint) {
    let list = |names: &[Namespace]| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let (namespaces, token) = (list(&endpoint.namespaces), !endpoint.auth.is_open());
    tracing::info!(%address, listener = name, protocol, namespaces, token, "JSON-RPC");
    let private = Namespace::private(&endpoint.namespaces);
    if crate::is_public(address.ip()) && !token && !private.is_empty() {
        tracing::warn!(%address, namespaces = list(&private), "private namespaces are offered to whoever reaches the port");
    }
}
