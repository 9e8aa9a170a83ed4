//! Passes requests for the explorer and the stats page on, streams and WebSockets included, without looking inside.

use crate::metrics;
use crate::node_client::{connector, remove_hop_by_hop};
use crate::rpc::forwarded_headers;
use crate::server::peer;
use crate::targets::{Target, Targets};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use http_body_util::Limited;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// How long a page's service may take to begin its answer; the answer itself may stream for ever.
const FIRST_BYTE: Duration = Duration::from_secs(30);

/// Which pages these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageKind {
    /// Any explorer will do: all of them index the same chain.
    Explorer,
    /// Nodes report to one stats service, and pages must look at the same one.
    Stats,
}

impl PageKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Explorer => "explorer",
            Self::Stats => "stats",
        }
    }
}

/// The way to one kind of pages.
#[derive(Debug)]
pub(crate) struct Pages {
    kind: PageKind,
    targets: Arc<Targets>,
    client: Client<HttpConnector, Body>,
    max_body: usize,
    tunnels: Arc<Semaphore>,
    shutdown: CancellationToken,
}

impl Pages {
    pub(crate) fn new(
        kind: PageKind,
        targets: Arc<Targets>,
        max_body: usize,
        max_tunnels: usize,
        shutdown: CancellationToken,
    ) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_timer(TokioTimer::new())
            .build(connector());
        Self { kind, targets, client, max_body, tunnels: Arc::new(Semaphore::new(max_tunnels)), shutdown }
    }

    /// Passes one request on.
    pub(crate) async fn pass(&self, request: Request) -> Response {
        ::metrics::counter!(metrics::REQUESTS, "kind" => self.kind.name()).increment(1);
        let peer = peer(&request);
        let mut tried = Vec::new();
        let (mut parts, body) = request.into_parts();
        let client_side = parts.extensions.remove::<hyper::upgrade::OnUpgrade>();
        let upgrade = client_side.filter(|_| parts.headers.contains_key(header::SEC_WEBSOCKET_KEY));
        let headers = outgoing_headers(&parts.headers, peer, upgrade.is_some());
        // A body can be read only once: what has none may be asked of a second service.
        let repeatable = matches!(parts.method, Method::GET | Method::HEAD);
        let mut body = Some(Body::new(Limited::new(body, self.max_body)));
        let response = loop {
            let Some(target) = self.choose(peer, &tried) else { return self.nobody() };
            let Some(request) = build(&target, &parts.method, &parts.uri, &headers, &mut body) else {
                return StatusCode::BAD_REQUEST.into_response();
            };
            if repeatable {
                body = Some(Body::empty());
            }
            match tokio::time::timeout(FIRST_BYTE, self.client.request(request)).await {
                Ok(Ok(response)) => break response,
                Ok(Err(error)) => {
                    if error.is_connect() {
                        self.targets.failed(&target, "cannot connect");
                    }
                    tracing::debug!(target = %target.info.url, %error, "page request failed");
                    if !repeatable {
                        return self.nobody();
                    }
                    tried.push(target.info.url.clone());
                }
                Err(_) => return StatusCode::GATEWAY_TIMEOUT.into_response(),
            }
        };
        match upgrade {
            Some(client_side) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                self.tunnel(client_side, response)
            }
            _ => {
                let (mut parts, body) = response.into_parts();
                remove_hop_by_hop(&mut parts.headers);
                Response::from_parts(parts, Body::new(body))
            }
        }
    }

    fn choose(&self, peer: IpAddr, tried: &[String]) -> Option<Arc<Target>> {
        match self.kind {
            PageKind::Explorer => {
                let mut hasher = DefaultHasher::new();
                peer.hash(&mut hasher);
                self.targets.choose(hasher.finish(), None, 0, tried).ok()
            }
            PageKind::Stats => self.targets.eligible().into_iter().find(|target| !tried.contains(&target.info.url)),
        }
    }

    /// Both sides said yes: from here on bytes go through as they are.
    fn tunnel(
        &self,
        client_side: hyper::upgrade::OnUpgrade,
        mut response: hyper::Response<hyper::body::Incoming>,
    ) -> Response {
        let Ok(place) = Arc::clone(&self.tunnels).try_acquire_owned() else {
            return (StatusCode::SERVICE_UNAVAILABLE, "too many connections").into_response();
        };
        let target_side = hyper::upgrade::on(&mut response);
        let shutdown = self.shutdown.clone();
        tokio::spawn(async move {
            let Ok((client, target)) = futures::try_join!(client_side, target_side) else { return };
            let (mut client, mut target) = (TokioIo::new(client), TokioIo::new(target));
            tokio::select! {
                () = shutdown.cancelled() => {}
                // Either side may simply vanish: that is how such connections end.
                _ = tokio::io::copy_bidirectional(&mut client, &mut target) => {}
            }
            drop(place);
        });
        let (parts, _) = response.into_parts();
        Response::from_parts(parts, Body::empty())
    }

    fn nobody(&self) -> Response {
        ::metrics::counter!(metrics::REFUSED, "reason" => self.kind.name()).increment(1);
        let name = self.kind.name();
        let page = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
             <meta http-equiv=\"refresh\" content=\"3\"><title>The {name} is starting</title>\
             <h1>No {name} answers yet</h1><p>It may still be starting: this page tries again every three seconds.</p>\
             <p>If it stays like this, look whether the {name} runs (<code>atoll {name}</code>) and is registered; the \
             balancer's <code>/balancer/status</code> says why a target is out.</p></html>"
        );
        (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "3")], Html(page)).into_response()
    }
}

fn outgoing_headers(headers: &HeaderMap, peer: IpAddr, upgrade: bool) -> HeaderMap {
    let mut outgoing = forwarded_headers(headers, peer);
    // Nothing is read here, so compression may stay.
    if let Some(accepted) = headers.get(header::ACCEPT_ENCODING) {
        outgoing.insert(header::ACCEPT_ENCODING, accepted.clone());
    }
    if let Some(length) = headers.get(header::CONTENT_LENGTH) {
        outgoing.insert(header::CONTENT_LENGTH, length.clone());
    }
    if let Some(host) = headers.get(header::HOST) {
        outgoing.insert("x-forwarded-host", host.clone());
    }
    if upgrade {
        outgoing.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        outgoing.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    outgoing
}

fn build(
    target: &Target,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &mut Option<Body>,
) -> Option<hyper::Request<Body>> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = hyper::Request::new(body.take()?);
    *request.method_mut() = method.clone();
    *request.uri_mut() = format!("{}{path}", target.info.url).parse().ok()?;
    *request.headers_mut() = headers.clone();
    Some(request)
}
