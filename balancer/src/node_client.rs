//! Asks a node over HTTP: pooled connections, bounded answers, and a clear word on whether the request was ever sent.
//!
//! Must not know JSON-RPC or which node to ask.

use crate::targets::Target;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::Duration;

/// A dead machine answers nothing at all: waiting longer than this for a connection helps nobody.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_000);
/// The header in which a node says which block its answer stands on.
pub(crate) const HEAD_HEADER: &str = "x-atoll-head";

/// A node's answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The block the answer stands on, if the node says so.
    pub(crate) fn head(&self) -> Option<u64> {
        let text = self.headers.get(HEAD_HEADER)?.to_str().ok()?;
        match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// The request never left: asking another node is safe whatever it was.
    #[error("cannot connect")]
    Connect,
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("the node was taken out while it worked on the request")]
    WentAway,
    #[error("the node answered {0}")]
    Status(StatusCode),
    #[error("the answer has more than {limit} bytes")]
    TooLarge { limit: usize },
}

/// The pooled client. Clone handle.
#[derive(Clone, Debug)]
pub(crate) struct NodeClient {
    http: Client<HttpConnector, Full<Bytes>>,
    max_answer: usize,
}

/// A connector with the balancer's patience.
pub(crate) fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.set_nodelay(true);
    connector
}

impl NodeClient {
    pub(crate) fn new(max_answer: usize) -> Self {
        let http = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(128)
            .pool_timer(TokioTimer::new())
            .build(connector());
        Self { http, max_answer }
    }

    /// Sends and reads the whole answer within `patience`.
    pub(crate) async fn ask(
        &self,
        uri: &Uri,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
        patience: Duration,
    ) -> Result<Answer, AskError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers;
        let work = async {
            let response = self.http.request(request).await.map_err(|error| {
                if error.is_connect() { AskError::Connect } else { AskError::Broken(error_chain(&error)) }
            })?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, self.max_answer).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    AskError::TooLarge { limit: self.max_answer }
                } else {
                    AskError::Broken(error.to_string())
                }
            })?;
            Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        tokio::time::timeout(patience, work).await.map_err(|_| AskError::Timeout(patience))?
    }

    /// As [`Self::ask`], for JSON and given up as soon as health polls find the node dead.
    pub(crate) async fn ask_while_alive(
        &self,
        target: &Target,
        headers: HeaderMap,
        body: Bytes,
        patience: Duration,
    ) -> Result<Answer, AskError> {
        let answer = tokio::select! {
            answer = self.ask(&target.uri, Method::POST, headers, body, patience) => answer?,
            () = target.gone() => return Err(AskError::WentAway),
        };
        if answer.status.is_server_error() { Err(AskError::Status(answer.status)) } else { Ok(answer) }
    }
}

fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Headers for a JSON request of the balancer's own.
pub(crate) fn json_headers() -> HeaderMap {
    HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))])
}

/// Removes what concerns one connection only (RFC 9110, section 7.6.1), the names in `Connection` included.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in listed {
        headers.remove(name);
    }
    for name in [header::CONNECTION, header::TE, header::TRAILER, header::TRANSFER_ENCODING, header::UPGRADE] {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn headers_of_the_connection_stay_on_it() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("connection", "close, X-Secret"), ("x-secret", "1"), ("te", "x"), ("x-kept", "1")] {
            headers.insert(name, value.parse().unwrap());
        }
        remove_hop_by_hop(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-kept"]);
    }

    #[test]
    fn the_head_is_read_in_both_notations() {
        for (text, head) in [("17", Some(17)), ("0x11", Some(17)), ("x", None), ("", None)] {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(HEAD_HEADER), text.parse().unwrap())]);
            assert_eq!(Answer { status: StatusCode::OK, headers, body: Bytes::new() }.head(), head);
        }
    }
}
