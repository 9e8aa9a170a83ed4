//! Ties everything together: background tasks, routes, listeners, shutdown. No decisions of its own.

use crate::clients::Clients;
use crate::config::{BalancerConfig, BalancerError};
use crate::health::{self, Probe};
use crate::metrics;
use crate::node_client::NodeClient;
use crate::pages::{PageKind, Pages};
use crate::rebroadcast::Keeper;
use crate::registry::Wanted;
use crate::rpc::Rpc;
use crate::server::{peer, serve};
use crate::status::Status;
use crate::targets::{Target, TargetInfo, Targets};
use crate::ws::{WebSockets, hint, is_upgrade};
use atoll_discovery::{NodeWatch, RegistryClient};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// A running balancer without its listeners: targets are followed and polled, routes can be served.
#[derive(Clone)]
pub struct Balancer(Arc<Inner>);

struct Inner {
    config: BalancerConfig,
    client: NodeClient,
    nodes: Arc<Targets>,
    explorers: Arc<Targets>,
    stats: Arc<Targets>,
    keeper: Keeper,
    rpc: Arc<Rpc>,
    sockets: WebSockets,
    prometheus: Option<PrometheusHandle>,
    shutdown: CancellationToken,
}

impl Balancer {
    /// Starts following and polling targets, until `shutdown`. Needs a tokio runtime.
    ///
    /// # Errors
    /// A static target that cannot be one, or registries that cannot be followed.
    pub fn start(config: BalancerConfig, shutdown: CancellationToken) -> Result<Self, BalancerError> {
        let limits = config.limits;
        let client = NodeClient::new(limits.response_bytes);
        let nodes = Arc::new(Targets::new(config.lag_blocks));
        // Pages have no head: any that answers is good.
        let (explorers, stats) = (Arc::new(Targets::new(0)), Arc::new(Targets::new(0)));
        let keeper = Keeper::new(Arc::clone(&nodes), client.clone());
        let clients = Clients::new(config.trust_forwarded_for);
        let rpc = Arc::new(Rpc::new(Arc::clone(&nodes), clients, keeper.clone(), client.clone(), limits));
        let sockets = WebSockets::new(Arc::clone(&rpc), shutdown.clone());
        let prometheus = metrics::install();
        let registry = match config.registries.as_slice() {
            [] => None,
            urls => Some(RegistryClient::new(urls).map_err(BalancerError::Registry)?),
        };
        for url in config.nodes.iter().chain(&config.explorers).chain(&config.stats) {
            let info =
                TargetInfo { url: url.trim_end_matches('/').into(), ws: None, name: String::new(), miner: false };
            Target::new(info).ok_or_else(|| BalancerError::Url { url: url.clone() })?;
        }
        let watch = registry.map(|registry| registry.watch(config.network_id, config.genesis_hash));
        let inner = Inner { config, client, nodes, explorers, stats, keeper, rpc, sockets, prometheus, shutdown };
        let balancer = Self(Arc::new(inner));
        balancer.apply(&Wanted::gather(&balancer.0.config, &[]));
        tokio::spawn(balancer.0.keeper.clone().run(balancer.0.shutdown.clone()));
        if let Some(watch) = watch {
            tokio::spawn(balancer.clone().follow(watch));
        }
        Ok(balancer)
    }

    async fn follow(self, mut watch: NodeWatch) {
        loop {
            let entries = tokio::select! {
                () = self.0.shutdown.cancelled() => return,
                entries = watch.changed() => entries,
            };
            self.apply(&Wanted::gather(&self.0.config, &entries));
        }
    }

    fn apply(&self, wanted: &Wanted) {
        let inner = &self.0;
        self.poll(&inner.nodes, Probe::Node, wanted.nodes.clone());
        self.poll(&inner.explorers, Probe::Page, wanted.explorers.clone());
        self.poll(&inner.stats, Probe::Page, wanted.stats.clone());
    }

    fn poll(&self, targets: &Arc<Targets>, probe: Probe, wanted: Vec<TargetInfo>) {
        let limits = self.0.config.limits;
        for target in targets.replace(wanted) {
            tracing::info!(target = %target.info.url, name = %target.info.name, "new target");
            let keeper = self.0.keeper.clone();
            let joined = move |target: &Arc<Target>| {
                if probe == Probe::Node {
                    keeper.joined(target);
                }
            };
            let polled = health::Polled {
                targets: Arc::clone(targets),
                target,
                client: self.0.client.clone(),
                probe,
                every: limits.poll_every(),
                patience: limits.poll_time(),
            };
            tokio::spawn(health::watch(polled, joined, self.0.shutdown.clone()));
        }
    }

    /// JSON-RPC on every path but `/health`, `/ready`, `/metrics` and `/balancer/status`.
    pub fn rpc_app(&self) -> Router {
        Router::new()
            .route("/health", get(|| async { "ok" }))
            .route("/ready", get(ready))
            .route("/balancer/status", get(status))
            .route("/metrics", get(render_metrics))
            .fallback(entry)
            .with_state(self.clone())
    }

    /// The explorer, passed through.
    pub fn explorer_app(&self) -> Router {
        self.pages(PageKind::Explorer, &self.0.explorers)
    }

    /// The stats page, passed through, and its WebSocket for nodes that report.
    pub fn stats_app(&self) -> Router {
        self.pages(PageKind::Stats, &self.0.stats)
    }

    fn pages(&self, kind: PageKind, targets: &Arc<Targets>) -> Router {
        let limits = self.0.config.limits;
        let shutdown = self.0.shutdown.clone();
        let pages = Pages::new(kind, Arc::clone(targets), limits.request_bytes, limits.web_sockets, shutdown);
        let pages = Arc::new(pages);
        Router::new().fallback(move |request: Request| async move { pages.pass(request).await })
    }
}

/// Binds all listeners, then serves until `shutdown`.
///
/// # Errors
/// An address that cannot be bound, and those of [`Balancer::start`].
pub async fn run(config: BalancerConfig, shutdown: CancellationToken) -> Result<(), BalancerError> {
    let rpc = bind(Some(config.rpc_listen), "JSON-RPC").await?;
    let explorer = bind(config.explorer_listen, "explorer").await?;
    let stats = bind(config.stats_listen, "stats").await?;
    let places = Arc::new(Semaphore::new(config.limits.connections));
    let balancer = Balancer::start(config, shutdown.clone())?;
    let apps = [(rpc, balancer.rpc_app()), (explorer, balancer.explorer_app()), (stats, balancer.stats_app())];
    let serving = apps.into_iter().filter_map(|(listener, app)| Some((listener?, app)));
    let serving = serving.map(|(listener, app)| serve(listener, app, Arc::clone(&places), shutdown.clone()));
    futures::future::join_all(serving).await;
    Ok(())
}

async fn bind(address: Option<SocketAddr>, what: &str) -> Result<Option<TcpListener>, BalancerError> {
    let Some(address) = address else { return Ok(None) };
    let failed = |source| BalancerError::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    tracing::info!(address = %bound, "balancer: {what}");
    Ok(Some(listener))
}

async fn entry(State(balancer): State<Balancer>, request: Request) -> Response {
    let inner = &balancer.0;
    match *request.method() {
        Method::POST => {
            let peer = peer(&request);
            let (parts, body) = request.into_parts();
            inner.rpc.post(peer, &parts.headers, body).await
        }
        Method::OPTIONS => inner.rpc.options(peer(&request), request.headers()).await,
        Method::GET if is_upgrade(request.headers()) => inner.sockets.open(request).await,
        Method::GET | Method::HEAD => hint(),
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

async fn ready(State(balancer): State<Balancer>) -> Response {
    if balancer.0.nodes.eligible().is_empty() {
        let text = "no healthy node; /balancer/status says why";
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], text).into_response();
    }
    "ready".into_response()
}

async fn status(State(balancer): State<Balancer>) -> Json<Status> {
    let inner = &balancer.0;
    Json(Status::new(&inner.nodes, &inner.explorers, &inner.stats, inner.keeper.outstanding()))
}

async fn render_metrics(State(balancer): State<Balancer>) -> Response {
    let inner = &balancer.0;
    for (kind, targets) in [("node", &inner.nodes), ("explorer", &inner.explorers), ("stats", &inner.stats)] {
        ::metrics::gauge!(metrics::HEALTHY, "kind" => kind).set(targets.healthy().len() as f64);
    }
    match &inner.prometheus {
        Some(prometheus) => prometheus.render().into_response(),
        None => (StatusCode::NOT_FOUND, "another part of this process serves the metrics").into_response(),
    }
}
