//! What the port answers: whom it refuses before JSON-RPC looks, `GET /health` and `/ready`, requests over HTTP, and the
//! handshakes of WebSockets. It must not know methods.
//!
//! `GET /health` says that the process lives, `GET /ready` whether clients should come here. Every answer carries
//! the number of the head in `x-atoll-head`, so that a load balancer never lets a client see the chain go back.
//! Host names are checked against DNS rebinding, origins of WebSocket handshakes against foreign web pages.

use crate::{
    Endpoint, RpcError, context::Node, dispatch::Dispatcher, memory::Held, rate::Client, request, text::AnswerBody, ws,
};
use http_body_util::BodyExt as _;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Body as _, Bytes, Incoming},
    header::{
        AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN, RETRY_AFTER,
        SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE,
    },
};
use hyper_util::rt::TokioIo;
use jsonrpsee::{MethodResponse, types::Id};
use std::{
    convert::Infallible,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

/// Name of the header that carries the head's number.
pub(crate) const HEAD_HEADER: HeaderName = HeaderName::from_static("x-atoll-head");
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const FORWARDED_FOR: &str = "x-forwarded-for";

pub(crate) type Answer = Response<AnswerBody>;

/// What one protocol of a port offers.
pub(crate) struct Door {
    pub(crate) endpoint: Endpoint,
    pub(crate) dispatcher: Dispatcher,
}

/// What a port offers.
pub(crate) struct Port {
    pub(crate) node: Arc<Node>,
    pub(crate) http: Option<Door>,
    pub(crate) ws: Option<Door>,
    pub(crate) stop: watch::Receiver<bool>,
    /// Nothing is sent: the server waits until the last connection has dropped its port.
    pub(crate) _alive: mpsc::Sender<()>,
}

/// The service of one connection.
#[derive(Clone)]
pub(crate) struct HttpService {
    pub(crate) port: Arc<Port>,
    pub(crate) peer: IpAddr,
    /// The connection's place among those allowed; a WebSocket keeps it.
    pub(crate) permit: Arc<OwnedSemaphorePermit>,
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    with_body(status, content_type, body.into().into())
}

fn with_body(status: StatusCode, content_type: &'static str, body: AnswerBody) -> Answer {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A refusal in the form that JSON-RPC clients read.
fn refusal(status: StatusCode, error: RpcError) -> Answer {
    let body = MethodResponse::error(Id::Null, error).into_json();
    answer(status, JSON, String::from(Box::<str>::from(body)))
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

/// Whom to count a request for. A trusted proxy says for whom it asks; what it adds stands last.
fn client(node: &Node, peer: IpAddr, headers: &HeaderMap) -> Client {
    let peer = peer.to_canonical();
    let trusted = |address: &IpAddr| node.config.trusted_proxies.iter().any(|network| network.contains(address));
    if !trusted(&peer) {
        return Some(peer);
    }
    let lines = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let mut chain: Vec<IpAddr> =
        lines.flat_map(|line| line.split(',')).filter_map(|text| text.trim().parse().ok()).collect();
    while let Some(address) = chain.pop() {
        if !trusted(&address.to_canonical()) {
            return Some(address.to_canonical());
        }
    }
    None
}

/// Why there is no body.
enum NoBody {
    TooLarge,
    NoRoom,
    Ended,
}

/// Reads a body; what is read is held.
async fn read(mut body: Incoming, limit: usize, held: &mut Held) -> Result<Vec<u8>, NoBody> {
    if body.size_hint().lower() > limit as u64 {
        return Err(NoBody::TooLarge);
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| NoBody::Ended)?.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(NoBody::TooLarge);
        }
        if !held.add(data.len()) {
            return Err(NoBody::NoRoom);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// As geth: nobody sends JSON-RPC as anything else, and a web page cannot send these types without asking first (CORS).
fn is_json(headers: &HeaderMap) -> bool {
    let media_type = text(headers, CONTENT_TYPE).and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    ["application/json", "application/json-rpc", "application/jsonrequest"]
        .iter()
        .any(|known| media_type.eq_ignore_ascii_case(known))
}

/// Whether a header's list holds a token, such as `upgrade` in `Connection`.
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|each| each.trim().eq_ignore_ascii_case(token))
}

impl Door {
    /// Why a request is not let in.
    fn refuses(&self, headers: &HeaderMap) -> Option<Answer> {
        if !host_allowed(&self.endpoint.vhosts, headers) {
            return Some(answer(StatusCode::FORBIDDEN, TEXT, "invalid host specified\n"));
        }
        let denied = self.endpoint.auth.check(text(headers, AUTHORIZATION), now()).err()?;
        let mut response = refusal(StatusCode::UNAUTHORIZED, RpcError::Denied(denied));
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Some(response)
    }
}

impl HttpService {
    async fn respond(self, request: Request<Incoming>) -> Answer {
        let headers = request.headers();
        let upgrade = has_token(headers, UPGRADE, "websocket") && has_token(headers, CONNECTION, "upgrade");
        if let Some(response) = self.page(&request, upgrade) {
            return response;
        }
        let door = if upgrade { &self.port.ws } else { &self.port.http };
        let Some(door) = door else {
            let here = if upgrade { "HTTP" } else { "WebSocket" };
            return answer(StatusCode::NOT_FOUND, TEXT, format!("only {here} is served on this port\n"));
        };
        if let Some(refused) = door.refuses(headers) {
            return refused;
        }
        let client = client(&self.port.node, self.peer, headers);
        if upgrade {
            return self.upgrade(request, door, client);
        }
        match *request.method() {
            Method::POST if is_json(headers) => self.post(request, door, client).await,
            Method::POST => {
                answer(StatusCode::UNSUPPORTED_MEDIA_TYPE, TEXT, "the content type must be application/json\n")
            }
            // As geth: somebody looks whether anybody is there.
            Method::GET if request.uri().query().is_none() => answer(StatusCode::OK, TEXT, ""),
            _ => answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, "JSON-RPC is sent with POST\n"),
        }
    }

    /// What is answered without JSON-RPC, and without a token.
    fn page(&self, request: &Request<Incoming>, upgrade: bool) -> Option<Answer> {
        if upgrade || request.method() != Method::GET || !matches!(request.uri().path(), "/health" | "/ready") {
            return None;
        }
        let door = self.port.http.as_ref().or(self.port.ws.as_ref())?;
        if !host_allowed(&door.endpoint.vhosts, request.headers()) {
            return Some(answer(StatusCode::FORBIDDEN, TEXT, "invalid host specified\n"));
        }
        Some(match request.uri().path() {
            "/health" => answer(StatusCode::OK, TEXT, "ok\n"),
            _ if self.port.node.control.ready() => answer(StatusCode::OK, TEXT, "ready\n"),
            _ => answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, "not in sync, or without peers\n"),
        })
    }

    async fn post(&self, request: Request<Incoming>, door: &Door, client: Client) -> Answer {
        let (node, limit) = (&self.port.node, self.port.node.config.max_body_bytes as usize);
        let too_many = |wait: Duration| {
            let error = node.limiter.refusal(wait);
            let seconds = if let RpcError::TooManyRequests { retry_after, .. } = error { retry_after } else { 1 };
            let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, error);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            response
        };
        // Before the body is read, too: reading it is what a flood would make us do.
        if let Err(wait) = node.limiter.take(client, 1) {
            return too_many(wait);
        }
        let mut held = node.requests.hold();
        let body = read(request.into_body(), limit, &mut held);
        let body = match tokio::time::timeout(node.config.body_timeout, body).await {
            Ok(Ok(body)) => body,
            Ok(Err(NoBody::TooLarge)) => {
                return refusal(StatusCode::PAYLOAD_TOO_LARGE, RpcError::RequestTooLarge { limit });
            }
            Ok(Err(NoBody::NoRoom)) => return refusal(StatusCode::SERVICE_UNAVAILABLE, RpcError::UnreadRequests),
            // The client left in the middle; nobody reads this.
            Ok(Err(NoBody::Ended)) => return answer(StatusCode::BAD_REQUEST, TEXT, "the body ended too early\n"),
            Err(_) => return answer(StatusCode::REQUEST_TIMEOUT, TEXT, "the body took too long\n"),
        };
        let requests = request::parse(&body, node.config.batch_limit as usize);
        if let Err(wait) = node.limiter.take(client, requests.count() - 1) {
            return too_many(wait);
        }
        let text = door.dispatcher.answer(requests, None).await;
        with_body(StatusCode::OK, JSON, text.map(AnswerBody::from).unwrap_or_default())
    }

    fn upgrade(&self, mut request: Request<Incoming>, door: &Door, client: Client) -> Answer {
        let headers = request.headers();
        if !origin_allowed(&door.endpoint.origins, headers) {
            return answer(StatusCode::FORBIDDEN, TEXT, "origin not allowed\n");
        }
        let key = headers.get(SEC_WEBSOCKET_KEY).map(|key| key.as_bytes().to_vec());
        let key = match key {
            Some(key) if request.method() == Method::GET && text(headers, SEC_WEBSOCKET_VERSION) == Some("13") => key,
            _ => return answer(StatusCode::BAD_REQUEST, TEXT, "not a WebSocket handshake of version 13\n"),
        };
        let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(&key);
        let Ok(accept) = HeaderValue::try_from(accept) else {
            return answer(StatusCode::BAD_REQUEST, TEXT, "not a WebSocket handshake\n");
        };
        let (dispatcher, stop) = (door.dispatcher.clone(), self.port.stop.clone());
        let held = (self.port.clone(), self.permit.clone());
        let upgrade = hyper::upgrade::on(&mut request);
        // Its number is bounded by that of connections: it keeps the connection's place.
        tokio::spawn(async move {
            let Ok(upgraded) = upgrade.await else { return };
            ws::serve(TokioIo::new(upgraded), dispatcher, client, stop).await;
            drop(held);
        });
        let mut response = answer(StatusCode::SWITCHING_PROTOCOLS, TEXT, "");
        let headers = response.headers_mut();
        headers.remove(CONTENT_TYPE);
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        response
    }
}

impl tower::Service<Request<Incoming>> for HttpService {
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            let node = service.port.node.clone();
            let mut response = service.respond(request).await;
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
