//! The listening server: limits, middleware, start and stop.

use crate::{
    RpcConfig, RpcContext, batch::BatchService, context::Node, feed, filters::random_id, http::HttpLayer, modules,
};
use hyper::{Method, header::HeaderValue};
use jsonrpsee::{
    core::{RegisterMethodError, middleware::RpcServiceBuilder},
    server::{BatchRequestConfig, IdProvider, PingConfig, Server, ServerConfig, ServerHandle},
    types::SubscriptionId,
};
use std::{io, net::SocketAddr, sync::Arc};
use tokio::sync::watch;
use tower_http::cors::{AllowOrigin, CorsLayer};

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
    /// Two namespaces offer one method.
    #[error("methods could not be registered")]
    Methods(#[from] RegisterMethodError),
}

/// A running server. Dropping it stops the server too.
#[derive(Debug)]
pub struct RpcServerHandle {
    /// Where it listens.
    pub local_addr: SocketAddr,
    server: ServerHandle,
    feed: watch::Sender<bool>,
}

impl RpcServerHandle {
    /// Stops: no new connections, requests in progress are answered. Returns when the last connection is closed.
    pub async fn stop(self) {
        // Either may have ended on its own.
        let _ = self.feed.send(true);
        let _ = self.server.stop();
        self.server.stopped().await;
    }
}

/// Subscription IDs as geth makes them.
#[derive(Debug)]
struct HexIds;

impl IdProvider for HexIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        random_id().into()
    }
}

/// Serves JSON-RPC over HTTP and WebSocket on one port. Call it on a tokio runtime.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve(config: RpcConfig, context: RpcContext) -> Result<RpcServerHandle, ServeError> {
    let address = config.listen;
    let listen_error = |source| ServeError::Listen { address, source };
    let cors = cors(&config.cors_domains)?;
    let limits = limits(&config);
    let node = Arc::new(Node::new(context, config));
    let methods = modules::modules(&node)?;
    let batch_node = node.clone();
    let rpc = RpcServiceBuilder::new().layer_fn(move |service| BatchService::new(service, batch_node.clone()));
    let http = tower::ServiceBuilder::new().option_layer(cors).layer(HttpLayer(node.clone()));
    let builder = Server::builder().set_config(limits).set_rpc_middleware(rpc).set_http_middleware(http);
    let server = builder.build(address).await.map_err(listen_error)?;
    let local_addr = server.local_addr().map_err(listen_error)?;
    let (stop_feed, stopped) = watch::channel(false);
    tokio::spawn(feed::run(node.clone(), stopped));
    if !node.config.dev_keys.is_empty() {
        tracing::warn!(%local_addr, "development accounts are unlocked: whoever reaches the port can spend from them");
    }
    Ok(RpcServerHandle { local_addr, server: server.start(methods), feed: stop_feed })
}

fn limits(config: &RpcConfig) -> ServerConfig {
    ServerConfig::builder()
        .max_request_body_size(config.max_body_bytes)
        .max_response_body_size(config.max_response_bytes)
        .max_connections(config.max_connections)
        .max_subscriptions_per_connection(config.max_subscriptions)
        .set_batch_request_config(BatchRequestConfig::Limit(config.batch_limit))
        .enable_ws_ping(PingConfig::new())
        .set_id_provider(HexIds)
        .set_tcp_no_delay(true)
        .build()
}

/// `None` when no browser may call from elsewhere.
fn cors(domains: &[String]) -> Result<Option<CorsLayer>, ServeError> {
    if domains.is_empty() {
        return Ok(None);
    }
    let origins = if domains.iter().any(|domain| domain == "*") {
        AllowOrigin::any()
    } else {
        let origin =
            |domain: &String| domain.parse::<HeaderValue>().map_err(|_| ServeError::CorsDomain(domain.clone()));
        AllowOrigin::list(domains.iter().map(origin).collect::<Result<Vec<_>, _>>()?)
    };
    let headers = [hyper::header::CONTENT_TYPE];
    Ok(Some(CorsLayer::new().allow_origin(origins).allow_methods([Method::GET, Method::POST]).allow_headers(headers)))
}
