//! The registry service: verifies signed records, leases them, lists and streams who is alive.
//!
//! Records survive a restart (`kill -9` included) once acknowledged. It must not know the chain: heads are passed on.

mod listener;
mod registry;
mod routes;
mod store;

use axum::Router;
use registry::{Limits, Registry};
use routes::App;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
pub use store::StoreError;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Configuration of the registry.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryConfig {
    /// Address to serve on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Folder of the database.
    pub data_dir: PathBuf,
    /// How long a record counts as alive without a heartbeat.
    pub lease_ttl: Duration,
    /// Most records kept, live or not; the oldest without a lease make room.
    pub max_records: usize,
    /// Most live participants of one network; more are refused.
    pub max_per_network: usize,
    /// Most open connections; more wait to be accepted.
    pub max_connections: usize,
    /// Most open watches; more are refused.
    pub max_watchers: usize,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7700)),
            data_dir: PathBuf::from("discovery"),
            lease_ttl: Duration::from_secs(10),
            max_records: 10_000,
            max_per_network: 1_000,
            max_connections: 1_024,
            max_watchers: 512,
        }
    }
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address is taken or not ours.
    #[error("the registry cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The thread that opens the database died.
    #[error("opening the registry's database was interrupted")]
    Interrupted,
}

/// The service without a socket. Its sweeper and its watches end when `stop` is cancelled.
///
/// # Errors
/// [`StoreError`] when the database cannot be opened.
pub fn app(config: &RegistryConfig, stop: CancellationToken) -> Result<Router, StoreError> {
    let limits = Limits {
        lease_ttl: config.lease_ttl,
        max_records: config.max_records,
        max_per_network: config.max_per_network,
    };
    let registry = Arc::new(Registry::open(Store::open(&config.data_dir)?, limits)?);
    tokio::spawn(sweep(Arc::clone(&registry), stop.clone()));
    Ok(routes::router(App::new(registry, config.max_watchers, stop)))
}

/// Serves until cancelled.
///
/// # Errors
/// [`ServerError`] when the database or the address is not available.
pub async fn run(config: RegistryConfig, stop: CancellationToken) -> Result<(), ServerError> {
    let address = config.listen;
    let listener = TcpListener::bind(address).await.map_err(|source| ServerError::Listen { address, source })?;
    serve(listener, config, stop).await
}

/// Serves on a listener that is already bound, until cancelled.
///
/// # Errors
/// [`ServerError`] when the database is not available.
pub async fn serve(listener: TcpListener, config: RegistryConfig, stop: CancellationToken) -> Result<(), ServerError> {
    let max_connections = config.max_connections;
    let address = config.listen;
    let bound = listener.local_addr().map_err(|source| ServerError::Listen { address, source })?;
    let (handle, token) = (tokio::runtime::Handle::current(), stop.clone());
    // Opening may replay a log: not on an async worker.
    let opened = tokio::task::spawn_blocking(move || {
        let _runtime = handle.enter();
        app(&config, token)
    });
    let router = opened.await.map_err(|_| ServerError::Interrupted)??;
    tracing::info!(address = %bound, "registry listening");
    listener::serve(listener, router, max_connections, stop).await;
    Ok(())
}

/// Ends leases soon after they run out.
async fn sweep(registry: Arc<Registry>, stop: CancellationToken) {
    let period = (registry.limits().lease_ttl / 8).clamp(Duration::from_millis(20), Duration::from_secs(1));
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => registry.expire(),
        }
    }
}
