//! One WebSocket connection: requests in, answers and notifications out, in one task. It must not know methods.
//!
//! Nothing here grows with what a client fails to read: a message is made when the one before it is on its way, and a
//! client that falls behind by more than the feed keeps, or does not read for the write timeout, is cut off.

use crate::{
    dispatch::Dispatcher,
    feed::{FeedItem, TransactionsUpdate},
    memory::Metered,
    pubsub::{Session, Subscription},
    rate::Client,
    request,
    text::HeldText,
};
use futures::{FutureExt as _, SinkExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{
        broadcast::{Receiver, error::RecvError},
        watch,
    },
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message, Utf8Bytes,
        protocol::{
            CloseFrame, Role, WebSocketConfig,
            frame::{
                Frame,
                coding::{CloseCode, Data, OpCode},
            },
        },
    },
};

/// Requests of one connection under way; at the bound it is not read further.
const CALLS: usize = 16;
/// Memory each connection always has for reading.
const READ_BUFFER: usize = 4 << 10;
/// What is gathered before it is written.
const WRITE_BUFFER: usize = 16 << 10;
/// A longer message goes out in fragments of this size: the library would move the rest of it with every write.
const FRAGMENT: usize = 64 << 10;
/// Most that waits to be written: a fragment and what was gathered before it.
const MAX_WRITE_BUFFER: usize = 4 * FRAGMENT;
/// A quiet client is asked whether it is there.
const PING: Duration = Duration::from_secs(30);
/// One that does not answer is gone.
const GONE: Duration = Duration::from_secs(75);
/// How long requests under way may take when the node stops.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// How a connection's sockets are to behave.
pub(crate) fn socket_config(max_message: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(MAX_WRITE_BUFFER)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message))
}

/// Why a connection ends.
#[derive(Debug)]
enum End {
    /// The client left, or its socket failed.
    Left,
    /// The client cannot keep up, or broke the protocol.
    Cut(CloseCode, &'static str),
}

impl From<tungstenite::Error> for End {
    fn from(error: tungstenite::Error) -> Self {
        match error {
            tungstenite::Error::Capacity(_) => Self::Cut(CloseCode::Size, "message too large"),
            tungstenite::Error::Protocol(_) => Self::Cut(CloseCode::Protocol, "protocol error"),
            tungstenite::Error::Utf8(_) => Self::Cut(CloseCode::Invalid, "not UTF-8"),
            error => {
                tracing::debug!(%error, "a WebSocket ended");
                Self::Left
            }
        }
    }
}

struct Connection<S> {
    socket: WebSocketStream<Metered<S>>,
    dispatcher: Dispatcher,
    session: Arc<Session>,
    client: Client,
    heads: Option<Receiver<FeedItem>>,
    transactions: Option<Receiver<Arc<TransactionsUpdate>>>,
    seen: Instant,
}

type Answers = FuturesUnordered<BoxFuture<'static, Option<HeldText>>>;

/// Serves a connection whose handshake is done, until it ends.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    dispatcher: Dispatcher,
    client: Client,
    mut stop: watch::Receiver<bool>,
) {
    let config = &dispatcher.node().config;
    let socket_config = socket_config(config.max_body_bytes as usize);
    let session = Arc::new(Session::new(config.max_subscriptions));
    let stream = Metered::new(stream, &dispatcher.node().requests);
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(socket_config)).await;
    let (heads, transactions, seen) = (None, None, Instant::now());
    let mut connection = Connection { socket, dispatcher, session, client, heads, transactions, seen };
    let mut answers = Answers::new();
    let close = tokio::select! {
        end = connection.run(&mut answers) => match end {
            End::Left => return,
            End::Cut(code, reason) => CloseFrame { code, reason: reason.into() },
        },
        _ = stop.changed() => {
            let rest = async {
                while let Some(answer) = answers.next().await {
                    connection.answer(answer).await?;
                }
                Ok::<_, End>(())
            };
            // What is not done by then is not done.
            let _ = tokio::time::timeout(LAST_ANSWERS, rest).await;
            CloseFrame { code: CloseCode::Away, reason: "the node is stopping".into() }
        }
    };
    tracing::debug!(reason = %close.reason, "a WebSocket is closed");
    // A client that does not read will not read this either.
    let _ = tokio::time::timeout(LAST_ANSWERS, connection.socket.close(Some(close))).await;
}

async fn next<T: Clone>(receiver: &mut Option<Receiver<T>>) -> Result<T, RecvError> {
    match receiver {
        Some(receiver) => receiver.recv().await,
        None => std::future::pending().await,
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    async fn run(&mut self, answers: &mut Answers) -> End {
        let mut ping = tokio::time::interval(PING);
        ping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                message = self.socket.next(), if answers.len() < CALLS => self.on_message(message, answers),
                Some(answer) = answers.next(), if !answers.is_empty() => self.answer(answer).await,
                item = next(&mut self.heads) => self.on_item(item).await,
                update = next(&mut self.transactions) => self.on_transactions(update).await,
                _ = ping.tick() => self.on_tick().await,
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    fn on_message(
        &mut self,
        message: Option<Result<Message, tungstenite::Error>>,
        answers: &mut Answers,
    ) -> Result<(), End> {
        self.seen = Instant::now();
        let message = message.ok_or(End::Left)??;
        let held = self.socket.get_mut().finished();
        let text = match message {
            Message::Text(text) => text.into(),
            Message::Binary(bytes) => bytes,
            Message::Close(_) => return Err(End::Left),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Ok(()),
        };
        let (dispatcher, session, client) = (self.dispatcher.clone(), self.session.clone(), self.client);
        let answer = async move {
            let node = dispatcher.node();
            let requests = request::parse(&text, node.config.batch_limit as usize);
            if let Err(retry_after) = node.limiter.take(client, requests.count()) {
                return dispatcher.refuse(&requests, || node.limiter.refusal(retry_after));
            }
            let answer = dispatcher.answer(requests, Some(&session)).await;
            drop(held);
            answer
        };
        answers.push(answer.boxed());
        Ok(())
    }

    async fn answer(&mut self, answer: Option<HeldText>) -> Result<(), End> {
        // Listening starts before the client hears that it is subscribed, so that nothing in between is missed.
        let fresh = self.session.activate();
        for subscription in &fresh {
            let feed = &self.dispatcher.node().feed;
            if subscription.wants_transactions() {
                self.transactions.get_or_insert_with(|| feed.transactions());
            } else {
                self.heads.get_or_insert_with(|| feed.subscribe());
            }
        }
        if let Some((answer, _held)) = answer.map(HeldText::into_parts) {
            self.write(answer.into_string()).await?;
        }
        for subscription in fresh {
            if let Some(first) = subscription.first(self.dispatcher.node()) {
                self.write(first).await?;
            }
        }
        Ok(self.socket.flush().await?)
    }

    async fn on_item(&mut self, item: Result<FeedItem, RecvError>) -> Result<(), End> {
        let item = item.map_err(|_| End::Cut(CloseCode::Policy, "too slow: changes of the chain were missed"))?;
        if matches!(item, FeedItem::Gap) {
            return Err(End::Cut(CloseCode::Again, "changes of the chain were missed"));
        }
        for subscription in self.subscriptions(false) {
            for message in subscription.on_item(&item) {
                self.write(message).await?;
            }
            // Matching logs may be long without a single write.
            tokio::task::consume_budget().await;
        }
        Ok(self.socket.flush().await?)
    }

    async fn on_transactions(&mut self, update: Result<Arc<TransactionsUpdate>, RecvError>) -> Result<(), End> {
        let update = update.map_err(|_| End::Cut(CloseCode::Policy, "too slow: transactions were missed"))?;
        for subscription in self.subscriptions(true) {
            for message in subscription.on_transactions(&update) {
                self.write(message).await?;
            }
        }
        Ok(self.socket.flush().await?)
    }

    /// Those that listen to one feed; where none is left it is not listened to any more.
    fn subscriptions(&mut self, transactions: bool) -> Vec<Arc<Subscription>> {
        let mut subscriptions = self.session.active();
        subscriptions.retain(|subscription| subscription.wants_transactions() == transactions);
        match (subscriptions.is_empty(), transactions) {
            (true, true) => self.transactions = None,
            (true, false) => self.heads = None,
            _ => {}
        }
        subscriptions
    }

    async fn on_tick(&mut self) -> Result<(), End> {
        let quiet = self.seen.elapsed();
        if quiet >= GONE {
            return Err(End::Cut(CloseCode::Policy, "no answer to pings"));
        }
        if quiet >= PING / 2 {
            self.socket.send(Message::Ping(tungstenite::Bytes::new())).await?;
        }
        Ok(())
    }

    /// Hands a message to the socket, which writes it now or with the next ones.
    async fn write(&mut self, text: String) -> Result<(), End> {
        if text.len() <= FRAGMENT {
            return Ok(self.socket.feed(Message::text(text)).await?);
        }
        let mut rest = tungstenite::Bytes::from(Utf8Bytes::from(text));
        let mut kind = Data::Text;
        while !rest.is_empty() {
            let part = rest.split_to(rest.len().min(FRAGMENT));
            let frame = Frame::message(part, OpCode::Data(kind), rest.is_empty());
            self.socket.feed(Message::Frame(frame)).await?;
            kind = Data::Continue;
        }
        Ok(())
    }
}
