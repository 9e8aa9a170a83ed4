//! JSON-RPC over HTTP: reads the request, decides what each call needs, asks the right node, answers.
//!
//! A request of plain calls passes through byte for byte. Only transactions, pending nonces and filters are taken out and
//! looked at. Must not know how targets are found or polled.

use crate::clients::{Client, Clients};
use crate::config::Limits;
use crate::filter;
use crate::jsonrpc::{
    INVALID_REQUEST, Kind, LIMIT_EXCEEDED, Outcome, Request, SERVER_ERROR, one_param, parse, read_replies,
    write_answer, write_calls, write_error,
};
use crate::metrics;
use crate::node_client::{Answer, AskError, HEAD_HEADER, NodeClient, json_headers, remove_hop_by_hop};
use crate::rebroadcast::Keeper;
use crate::sending::Turns;
use crate::targets::{NoTarget, Target, Targets};
use alloy_primitives::U64;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// A client that takes longer to send its request gives up its place.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Nodes asked for one request before giving up: several may die at once.
pub(crate) const ATTEMPTS: usize = 6;

/// Everything a request needs. Shared by HTTP and WebSocket.
#[derive(Debug)]
pub(crate) struct Rpc {
    pub(crate) targets: Arc<Targets>,
    pub(crate) clients: Clients,
    pub(crate) keeper: Keeper,
    pub(crate) limits: Limits,
    pub(crate) turns: Turns,
    client: NodeClient,
    pub(crate) in_flight: Semaphore,
}

/// The headers of an answer, and the node it is from.
pub(crate) type Source = (HeaderMap, Arc<Target>);

/// A node's answer to a client.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) answer: Answer,
    pub(crate) target: Arc<Target>,
    /// A node before it failed with the request in its hands.
    pub(crate) is_repeated: bool,
}

/// Why the balancer answers instead of a node.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("no healthy node: {known} known; GET /balancer/status on this port says why each is out")]
    NoNode { known: usize },
    #[error("no node has reached block {seen} yet, which you have already seen; try again")]
    Behind { seen: u64 },
    #[error(
        "the node failed ({0}) and the call is not safe to repeat: look whether it took effect before trying again"
    )]
    Lost(AskError),
    #[error("{attempts} nodes failed, the last: {last}")]
    AllFailed { attempts: usize, last: AskError },
    #[error("the nodes are catching up and may not know the account's newest nonce yet; try again")]
    CatchingUp,
    #[error("too many requests at once; try again")]
    Busy,
    #[error("the request has more than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the request did not arrive within {0:?}")]
    Slow(Duration),
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoNode { .. } | Self::Behind { .. } | Self::CatchingUp | Self::Busy => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Lost(_) | Self::AllFailed { .. } => StatusCode::BAD_GATEWAY,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow(_) => StatusCode::REQUEST_TIMEOUT,
        }
    }

    fn code(&self) -> i64 {
        match self {
            Self::Busy | Self::TooLarge { .. } | Self::AllFailed { last: AskError::TooLarge { .. }, .. } => {
                LIMIT_EXCEEDED
            }
            _ => SERVER_ERROR,
        }
    }

    /// For one call.
    pub(crate) fn outcome(&self) -> Outcome {
        count(self);
        Outcome::error(self.code(), &self.to_string())
    }

    fn name(&self) -> &'static str {
        match self {
            Self::NoNode { .. } => "no_node",
            Self::Behind { .. } => "behind",
            Self::CatchingUp => "catching_up",
            Self::Lost(_) => "lost",
            Self::AllFailed { .. } => "all_failed",
            Self::Busy => "busy",
            Self::TooLarge { .. } => "too_large",
            Self::Slow(_) => "slow",
        }
    }
}

impl Rpc {
    pub(crate) fn new(
        targets: Arc<Targets>,
        clients: Clients,
        keeper: Keeper,
        client: NodeClient,
        limits: Limits,
    ) -> Self {
        let (turns, in_flight) = (Turns::default(), Semaphore::new(limits.in_flight));
        Self { targets, clients, keeper, limits, turns, client, in_flight }
    }

    /// Answers one POST.
    pub(crate) async fn post(self: &Arc<Self>, peer: IpAddr, headers: &HeaderMap, body: Body) -> Response {
        ::metrics::counter!(metrics::REQUESTS, "kind" => "rpc").increment(1);
        let Ok(_place) = self.in_flight.try_acquire() else { return refuse(&Refused::Busy, None) };
        let body = match self.read_body(body).await {
            Ok(body) => body,
            Err(refused) => return refuse(&refused, None),
        };
        let request = match parse(&body, self.limits.batch) {
            Ok(request) => request,
            Err(error) => return json(StatusCode::OK, write_error(error.code(), &error.to_string())),
        };
        let started = Instant::now();
        let client = self.clients.identify(peer, headers);
        let forwarded = forwarded_headers(headers, peer);
        let kinds: Vec<Kind> = request.calls.iter().map(super::jsonrpc::Call::kind).collect();
        let response = if kinds.iter().all(Kind::is_passed_on) {
            let repeatable = kinds.iter().all(Kind::is_repeatable);
            match self.serve(&client, &forwarded, body.clone(), repeatable).await {
                Ok(Served { answer, target, .. }) => {
                    self.learn_head(&client, &target, &request, &answer);
                    pass_on(answer, &target)
                }
                Err(refused) => refuse(&refused, Some(&request)),
            }
        } else {
            let (outcomes, main) = self.split(&client, &forwarded, &request, kinds).await;
            let answer = write_answer(&request, outcomes);
            match main {
                Some((headers, target)) => {
                    pass_on(Answer { status: StatusCode::OK, headers, body: answer.into() }, &target)
                }
                None => json(StatusCode::OK, answer),
            }
        };
        ::metrics::histogram!(metrics::SECONDS).record(started.elapsed().as_secs_f64());
        response
    }

    /// Passes a CORS preflight to a node, whose business CORS is.
    pub(crate) async fn options(&self, peer: IpAddr, headers: &HeaderMap) -> Response {
        let client = self.clients.identify(peer, headers);
        let Ok(target) = self.choose(&client, &[]).await else {
            return refuse(&Refused::NoNode { known: self.targets.all().len() }, None);
        };
        let (headers, patience) = (forwarded_headers(headers, peer), self.limits.request_time());
        match self.client.ask(&target.uri, Method::OPTIONS, headers, Bytes::new(), patience).await {
            Ok(answer) => pass_on(answer, &target),
            Err(last) => refuse(&Refused::AllFailed { attempts: 1, last }, None),
        }
    }

    /// The node for this client now.
    pub(crate) async fn choose(&self, client: &Client, tried: &[String]) -> Result<Arc<Target>, Refused> {
        let sticky = client.node();
        let patience = self.limits.catch_up_time();
        let chosen = self.targets.wait_for(client.id, sticky.as_deref(), client.seen(), tried, patience).await;
        chosen.map_err(|no_target| match no_target {
            NoTarget::None => Refused::NoNode { known: self.targets.all().len() },
            NoTarget::Behind { seen } => Refused::Behind { seen },
        })
    }

    async fn read_body(&self, body: Body) -> Result<Bytes, Refused> {
        let limit = self.limits.request_bytes;
        match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, limit).collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            // A client that hangs up midway reads no answer: the bound is the only case that matters.
            Ok(Err(_)) => Err(Refused::TooLarge { limit }),
            Err(_) => Err(Refused::Slow(BODY_TIMEOUT)),
        }
    }

    /// Asks the client's node, and others if that fails and the request may be repeated.
    pub(crate) async fn serve(
        &self,
        client: &Client,
        headers: &HeaderMap,
        body: Bytes,
        repeatable: bool,
    ) -> Result<Served, Refused> {
        let mut tried = Vec::new();
        let mut is_repeated = false;
        let mut last = None;
        loop {
            let target = match self.choose(client, &tried).await {
                Ok(target) => target,
                Err(refused) => {
                    return Err(match last {
                        Some(last) => Refused::AllFailed { attempts: tried.len(), last },
                        None => refused,
                    });
                }
            };
            let asked = self.client.ask_while_alive(&target, headers.clone(), body.clone(), self.limits.request_time());
            let error = match asked.await {
                Ok(answer) => {
                    client.stick_to(&target.info.url);
                    self.saw(client, &target, answer.head());
                    return Ok(Served { answer, target, is_repeated });
                }
                Err(error) => error,
            };
            tracing::debug!(node = %target.info.url, %error, repeatable, "request failed");
            if matches!(error, AskError::Connect) {
                self.targets.failed(&target, "cannot connect");
            } else if !repeatable {
                return Err(Refused::Lost(error));
            } else {
                is_repeated = true;
            }
            tried.push(target.info.url.clone());
            let hopeless = matches!(error, AskError::Timeout(_) | AskError::TooLarge { .. });
            if hopeless || tried.len() == ATTEMPTS {
                return Err(Refused::AllFailed { attempts: tried.len(), last: error });
            }
            ::metrics::counter!(metrics::RETRIES).increment(1);
            last = Some(error);
        }
    }

    /// An answer of `target` stands on `head`, or on what health polls last saw of it.
    pub(crate) fn saw(&self, client: &Client, target: &Target, head: Option<u64>) {
        if let Some(head) = head {
            self.targets.reached(target, head);
        }
        client.saw(head.unwrap_or_else(|| target.head()));
    }

    // A node without the header says how far it is when it is asked for just that.
    fn learn_head(&self, client: &Client, target: &Target, request: &Request<'_>, answer: &Answer) {
        let asked = request.calls.first().is_some_and(|call| call.method == "eth_blockNumber");
        if !asked || request.batch || answer.headers.contains_key(HEAD_HEADER) {
            return;
        }
        #[derive(serde::Deserialize)]
        struct Number {
            result: U64,
        }
        if let Ok(Number { result }) = serde_json::from_slice(&answer.body) {
            self.saw(client, target, Some(result.to()));
        }
    }

    /// Serves a request with calls that need more than passing on. Answers one outcome for each call, and the headers
    /// and node of the main part.
    pub(crate) async fn split(
        self: &Arc<Self>,
        client: &Arc<Client>,
        headers: &HeaderMap,
        request: &Request<'_>,
        kinds: Vec<Kind>,
    ) -> (Vec<Outcome>, Option<Source>) {
        let mut pinned: BTreeMap<u32, Vec<(usize, &str)>> = BTreeMap::new();
        for (index, kind) in kinds.iter().enumerate() {
            if let Kind::UseFilter { tag, id } = kind {
                pinned.entry(*tag).or_default().push((index, id));
            }
        }
        let pinned = pinned.iter().map(|(tag, uses)| self.use_filters(client, headers, request, *tag, uses));
        let in_order = self.in_order(client, headers, request, &kinds);
        let ((in_order, source), filters) = futures::join!(in_order, futures::future::join_all(pinned));
        let mut outcomes: Vec<Option<Outcome>> = vec![None; request.calls.len()];
        for (index, outcome) in in_order.into_iter().chain(filters.into_iter().flatten()) {
            if let Some(slot) = outcomes.get_mut(index) {
                *slot = Some(outcome);
            }
        }
        let unanswered = || Outcome::error(SERVER_ERROR, "the node left this call unanswered");
        (outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(unanswered)).collect(), source)
    }

    /// All calls but those on filters, in their order: what a node signs by itself, the others together.
    async fn in_order(
        self: &Arc<Self>,
        client: &Arc<Client>,
        headers: &HeaderMap,
        request: &Request<'_>,
        kinds: &[Kind],
    ) -> (Vec<(usize, Outcome)>, Option<Source>) {
        let deadline = Instant::now() + self.limits.request_time();
        let (mut done, mut source, mut together) = (Vec::new(), None, Vec::new());
        for (index, (call, kind)) in request.calls.iter().zip(kinds).enumerate() {
            match kind {
                Kind::UseFilter { .. } => {}
                Kind::Invalid => done.push((index, Outcome::error(INVALID_REQUEST, "invalid request"))),
                Kind::SendUnlocked(_) if Instant::now() > deadline => done.push((index, Refused::Busy.outcome())),
                Kind::SendUnlocked(from) => {
                    let indexes = std::mem::take(&mut together);
                    let (outcomes, by) = self.main_part(client, headers, request, kinds, &indexes).await;
                    done.extend(indexes.into_iter().zip(outcomes));
                    let (outcome, sent_by) = self.send_unlocked(client, headers, call, *from).await;
                    done.push((index, outcome));
                    source = source.or(by).or(sent_by);
                }
                _ => together.push(index),
            }
        }
        let (outcomes, by) = self.main_part(client, headers, request, kinds, &together).await;
        done.extend(together.into_iter().zip(outcomes));
        (done, source.or(by))
    }

    /// Asks one node those calls of a request, by their index, and learns from its answers.
    pub(crate) async fn main_part(
        &self,
        client: &Client,
        headers: &HeaderMap,
        request: &Request<'_>,
        kinds: &[Kind],
        main: &[usize],
    ) -> (Vec<Outcome>, Option<Source>) {
        let picked: Vec<_> =
            main.iter().filter_map(|index| Some((request.calls.get(*index)?, kinds.get(*index)?))).collect();
        if picked.is_empty() {
            return (Vec::new(), None);
        }
        let calls = picked.iter().map(|(call, _)| (call.method.as_ref(), call.params.map(Cow::Borrowed)));
        let repeatable = picked.iter().all(|(_, kind)| kind.is_repeatable());
        let served = self.serve(client, headers, write_calls(calls).into(), repeatable).await;
        let Served { answer, target, is_repeated } = match served {
            Ok(served) => served,
            Err(refused) => {
                count(&refused);
                return (vec![Outcome::error(refused.code(), &refused.to_string()); picked.len()], None);
            }
        };
        if !answer.status.is_success() {
            let message = format!("the node answered {}", answer.status);
            return (vec![Outcome::error(SERVER_ERROR, &message); picked.len()], None);
        }
        let unanswered = || Outcome::error(SERVER_ERROR, "the node left this call unanswered");
        let replies = read_replies(&answer.body, picked.len());
        let mut outcomes: Vec<_> = replies.into_iter().map(|reply| reply.unwrap_or_else(unanswered)).collect();
        let kinds: Vec<&Kind> = picked.iter().map(|(_, kind)| *kind).collect();
        self.settle(&kinds, &mut outcomes, &target, headers, is_repeated).await;
        (outcomes, Some((answer.headers, target)))
    }

    /// Remembers acknowledged transactions, then corrects nonces and filter IDs.
    pub(crate) async fn settle(
        &self,
        kinds: &[&Kind],
        outcomes: &mut [Outcome],
        target: &Target,
        headers: &HeaderMap,
        is_repeated: bool,
    ) {
        self.settle_sent(kinds, outcomes, target, headers, is_repeated).await;
        for (kind, outcome) in kinds.iter().zip(outcomes.iter_mut()) {
            let corrected = match kind {
                Kind::PendingNonce(sender) => {
                    outcome.as_text().and_then(|text| text.parse::<U64>().ok()).map(|nonce| {
                        let told = self.keeper.pending_nonce(sender, nonce.to());
                        format!("{told:#x}")
                    })
                }
                Kind::NewFilter => outcome.as_text().and_then(|id| filter::encode(target.tag, &id)),
                _ => None,
            };
            if let Some(corrected) = corrected {
                *outcome = Outcome::text(&corrected);
            }
        }
    }

    /// Asks one node the balancer's own questions, on behalf of a client. One outcome for each.
    pub(crate) async fn ask_own(
        &self,
        target: &Target,
        client_headers: &HeaderMap,
        calls: &[(&'static str, serde_json::Value)],
    ) -> Result<Vec<Outcome>, AskError> {
        let mut headers = json_headers();
        if let Some(token) = client_headers.get(header::AUTHORIZATION) {
            headers.insert(header::AUTHORIZATION, token.clone());
        }
        let params: Vec<_> = calls.iter().map(|(_, params)| serde_json::value::to_raw_value(params).ok()).collect();
        let written = calls.iter().zip(params).map(|((method, _), params)| (*method, params.map(Cow::Owned)));
        let body = write_calls(written).into();
        let answer = self.client.ask_while_alive(target, headers, body, self.limits.request_time()).await?;
        let unanswered = || Outcome::error(SERVER_ERROR, "the node left this call unanswered");
        let replies = read_replies(&answer.body, calls.len()).into_iter();
        Ok(replies.map(|reply| reply.unwrap_or_else(unanswered)).collect())
    }

    /// Calls on filters of one node. They go nowhere else: no other node knows them.
    async fn use_filters(
        &self,
        client: &Client,
        headers: &HeaderMap,
        request: &Request<'_>,
        tag: u32,
        uses: &[(usize, &str)],
    ) -> Vec<(usize, Outcome)> {
        let every = |outcome: Outcome| uses.iter().map(|(index, _)| (*index, outcome.clone())).collect();
        // geth's words: libraries make a new filter when they read them.
        let not_found = || Outcome::error(SERVER_ERROR, "filter not found");
        let Some(target) = self.targets.by_tag(tag).filter(|target| target.is_alive()) else {
            return every(not_found());
        };
        let calls: Vec<_> = uses
            .iter()
            .filter_map(|(index, id)| Some((request.calls.get(*index)?.method.as_ref(), one_param(id))))
            .collect();
        let body = write_calls(calls.into_iter()).into();
        match self.client.ask_while_alive(&target, headers.clone(), body, self.limits.request_time()).await {
            Ok(answer) => {
                self.saw(client, &target, answer.head());
                let replies = read_replies(&answer.body, uses.len()).into_iter();
                let unanswered = || Outcome::error(SERVER_ERROR, "the node left this call unanswered");
                uses.iter().zip(replies).map(|((i, _), reply)| (*i, reply.unwrap_or_else(unanswered))).collect()
            }
            Err(AskError::Connect | AskError::WentAway | AskError::Broken(_)) => every(not_found()),
            Err(error) => every(Outcome::error(SERVER_ERROR, &Refused::Lost(error).to_string())),
        }
    }
}

/// What a node may know of the client's request.
pub(crate) fn forwarded_headers(headers: &HeaderMap, peer: IpAddr) -> HeaderMap {
    let mut forwarded = headers.clone();
    remove_hop_by_hop(&mut forwarded);
    // Answers are read here, so they come uncompressed; the length and the host are the node's own.
    for name in [header::HOST, header::CONTENT_LENGTH, header::ACCEPT_ENCODING, header::EXPECT] {
        forwarded.remove(name);
    }
    let chain = headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
    let chain = chain.map_or_else(|| peer.to_string(), |before| format!("{before}, {peer}"));
    if let Ok(value) = HeaderValue::from_str(&chain) {
        forwarded.insert(HeaderName::from_static("x-forwarded-for"), value);
    }
    forwarded
}

fn pass_on(mut answer: Answer, target: &Target) -> Response {
    remove_hop_by_hop(&mut answer.headers);
    answer.headers.remove(header::CONTENT_LENGTH);
    if let Ok(name) = HeaderValue::from_str(&target.info.name) {
        answer.headers.insert("x-atoll-node", name);
    }
    (answer.status, answer.headers, answer.body).into_response()
}

fn json(status: StatusCode, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn count(refused: &Refused) {
    ::metrics::counter!(metrics::REFUSED, "reason" => refused.name()).increment(1);
}

/// The balancer's own error, for every call if the request was read.
pub(crate) fn refuse(refused: &Refused, request: Option<&Request<'_>>) -> Response {
    count(refused);
    let message = refused.to_string();
    // Also what notifies hears that it was refused.
    let body = match request.filter(|request| request.calls.iter().any(|call| !call.is_notification())) {
        Some(request) => write_answer(request, vec![Outcome::error(refused.code(), &message); request.calls.len()]),
        None => write_error(refused.code(), &message),
    };
    json(refused.status(), body)
}
