//! Starts the explorer's parts and stops them together. No logic of its own.

use crate::{
    config::ExplorerConfig,
    error::ExplorerError,
    index::Index,
    indexer::Indexer,
    live::Live,
    nodes::Nodes,
    registry,
    rpc::RpcClient,
    web::{AppState, app},
};
use std::{future::IntoFuture, net::SocketAddr, time::Duration};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

/// How long open requests may go on after the stop.
const DRAIN: Duration = Duration::from_secs(5);

/// Runs the explorer until cancelled.
///
/// # Errors
/// [`ExplorerError`] when it cannot start, or cannot go on.
pub async fn run(config: ExplorerConfig, stop: CancellationToken) -> Result<(), ExplorerError> {
    let address = config.listen;
    let listener = TcpListener::bind(address).await.map_err(|source| ExplorerError::Listen { address, source })?;
    serve(listener, config, stop).await
}

/// Runs the explorer on a listener that is already bound, until cancelled.
///
/// # Errors
/// As [`run`].
pub async fn serve(
    listener: TcpListener,
    config: ExplorerConfig,
    stop: CancellationToken,
) -> Result<(), ExplorerError> {
    let listen = config.listen;
    let address: SocketAddr =
        listener.local_addr().map_err(|source| ExplorerError::Listen { address: listen, source })?;
    let opened = config.clone();
    let (index, genesis) =
        tokio::task::spawn_blocking(move || open(&opened)).await.map_err(|_| ExplorerError::Interrupted)??;
    let client = RpcClient::new().map_err(ExplorerError::Client)?;
    let live = Live::new(client.clone(), index.state()?);
    let (found, urls) = watch::channel(Vec::new());
    // One part's end ends the others, without ending what else the caller's token stops.
    let stop = stop.child_token();
    let fixed = config.rpc.iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
    let nodes = Nodes::new(client.clone(), genesis);
    let indexer = Indexer::new(index.clone(), live.clone(), client, nodes, (fixed, urls), config.data_dir.clone());
    let router = app(AppState::new(index, live.clone(), config.name.clone(), stop.clone()));
    let pages = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned()).into_future();
    tracing::info!(%address, "the explorer is at http://{address}");

    let drained = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    let pages = async {
        tokio::select! {
            served = pages => served.map_err(ExplorerError::Serve),
            () = drained => Ok(()),
        }
    };
    let (indexed, announced, served) = tokio::join!(
        ending(&stop, indexer.run(stop.clone())),
        ending(&stop, registry::attend(config, address, live, found, stop.clone())),
        ending(&stop, pages),
    );
    indexed.and(announced).and(served)
}

async fn ending(
    stop: &CancellationToken,
    part: impl Future<Output = Result<(), ExplorerError>>,
) -> Result<(), ExplorerError> {
    let result = part.await;
    stop.cancel();
    result
}

/// Opens the index and says which chain is to be followed, if that is known.
fn open(config: &ExplorerConfig) -> Result<(Index, Option<alloy_primitives::B256>), ExplorerError> {
    let dir = &config.data_dir;
    let path = dir.join("index");
    let failed = |source| ExplorerError::File { path: path.clone(), source };
    std::fs::create_dir_all(dir).map_err(failed)?;
    if config.reset && path.exists() {
        std::fs::remove_dir_all(&path).map_err(failed)?;
    }
    let index = Index::open(&path, config.engine, config.cache_bytes)?;
    let indexed = index.state()?.map(|state| state.genesis);
    if let (Some(indexed), Some(found)) = (indexed, config.genesis)
        && indexed != found
    {
        let from = "the configuration".to_owned();
        return Err(ExplorerError::WrongChain { data_dir: dir.clone(), indexed, found, from });
    }
    let genesis = indexed.or(config.genesis);
    let findable = config.genesis.is_some() && config.network_id.is_some() && !config.registry.is_empty();
    if config.rpc.is_empty() && !findable && (genesis.is_none() || config.registry.is_empty()) {
        return Err(ExplorerError::NoSource);
    }
    Ok((index, genesis))
}
