//! What the port answers besides JSON-RPC, and whom it refuses before JSON-RPC looks.
//!
//! `GET /health` says that the process lives, `GET /ready` whether clients should come here. Every answer carries
//! the number of the head in `x-atoll-head`, so that a load balancer never lets a client see the chain go back.
//! Host names are checked against DNS rebinding, origins of WebSocket handshakes against foreign web pages.

use crate::context::Node;
use hyper::{
    HeaderMap, Method, StatusCode,
    header::{CONTENT_TYPE, HOST, HeaderValue, ORIGIN, UPGRADE},
};
use jsonrpsee::{
    core::BoxError,
    server::{HttpBody, HttpRequest, HttpResponse},
};
use std::{
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tower::{Layer, Service};

/// Name of the header that carries the head's number.
const HEAD_HEADER: &str = "x-atoll-head";

/// Wraps the JSON-RPC service.
#[derive(Clone)]
pub(crate) struct HttpLayer(pub(crate) Arc<Node>);

impl<S> Layer<S> for HttpLayer {
    type Service = HttpService<S>;

    fn layer(&self, inner: S) -> HttpService<S> {
        HttpService { inner, node: self.0.clone() }
    }
}

/// See [`HttpLayer`].
#[derive(Clone)]
pub(crate) struct HttpService<S> {
    inner: S,
    node: Arc<Node>,
}

fn plain(status: StatusCode, content_type: &'static str, body: impl Into<HttpBody>) -> HttpResponse {
    let mut response = HttpResponse::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn text(headers: &HeaderMap, name: hyper::header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The name in `host:port` or `[v6]:port`.
fn host_name(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    authority.rsplit_once(':').map_or(authority, |(name, _)| name)
}

/// IP addresses pass: rebinding needs a name.
fn host_allowed(allowed: &[String], headers: &HeaderMap) -> bool {
    let Some(name) = text(headers, HOST).map(host_name) else { return true };
    name.parse::<IpAddr>().is_ok() || allowed.iter().any(|host| host == "*" || host.eq_ignore_ascii_case(name))
}

/// Programs send no origin; web pages must come from an allowed one, or from the very host they connect to.
fn origin_allowed(allowed: &[String], headers: &HeaderMap) -> bool {
    let Some(origin) = text(headers, ORIGIN) else { return true };
    let own = origin.split_once("://").map(|(_, authority)| authority) == text(headers, HOST);
    own || allowed.iter().any(|domain| domain == "*" || domain.eq_ignore_ascii_case(origin))
}

impl<S> HttpService<S> {
    /// What is answered without JSON-RPC.
    fn shortcut<B>(&self, request: &HttpRequest<B>) -> Option<HttpResponse> {
        let (config, headers) = (&self.node.config, request.headers());
        if !host_allowed(&config.vhosts, headers) {
            return Some(plain(StatusCode::FORBIDDEN, "text/plain", "invalid host specified\n"));
        }
        if headers.contains_key(UPGRADE) {
            let refused = !origin_allowed(&config.cors_domains, headers);
            return refused.then(|| plain(StatusCode::FORBIDDEN, "text/plain", "origin not allowed\n"));
        }
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/health") => Some(plain(StatusCode::OK, "text/plain", "ok\n")),
            (&Method::GET, "/ready") if self.node.control.ready() => {
                Some(plain(StatusCode::OK, "text/plain", "ready\n"))
            }
            (&Method::GET, "/ready") => {
                Some(plain(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "not in sync, or without peers\n"))
            }
            _ => None,
        }
    }
}

impl<S, B> Service<HttpRequest<B>> for HttpService<S>
where
    S: Service<HttpRequest<B>, Response = HttpResponse, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = HttpResponse;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: HttpRequest<B>) -> Self::Future {
        let node = self.node.clone();
        let answer: Self::Future = match self.shortcut(&request) {
            Some(response) => Box::pin(std::future::ready(Ok(response))),
            None => Box::pin(self.inner.call(request)),
        };
        Box::pin(async move {
            let mut response = answer.await?;
            response.headers_mut().insert(HEAD_HEADER, HeaderValue::from(node.head().number));
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(hyper::header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn hosts() {
        let allowed = ["localhost".to_owned()];
        for (host, pass) in [
            ("localhost:8545", true),
            ("LOCALHOST", true),
            ("127.0.0.1:8545", true),
            ("[::1]:8545", true),
            ("rebound.example:8545", false),
        ] {
            assert_eq!(host_allowed(&allowed, &headers(&[(HOST, host)])), pass, "{host}");
        }
        assert!(host_allowed(&["*".to_owned()], &headers(&[(HOST, "any.example")])));
        assert!(host_allowed(&[], &headers(&[])), "no Host header, as in HTTP/2");
    }

    #[test]
    fn origins() {
        let with = |origin| headers(&[(HOST, "localhost:8545"), (ORIGIN, origin)]);
        assert!(origin_allowed(&[], &headers(&[(HOST, "localhost:8545")])));
        assert!(origin_allowed(&[], &with("http://localhost:8545")));
        assert!(!origin_allowed(&[], &with("https://evil.example")));
        assert!(origin_allowed(&["https://dapp.example".to_owned()], &with("https://dapp.example")));
    }
}
