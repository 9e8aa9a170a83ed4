//! What of a WebSocket's traffic the balancer must read, and what it remembers to carry the connection over to another
//! node: calls without an answer, subscriptions and how far each was served. No sockets.

use crate::filter;
use crate::jsonrpc::{Call, Kind, Outcome, Reply, parse};
use crate::ws_subscription::{Note, Subscription};
use alloy_primitives::U64;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

/// Calls of one connection whose answers are waited for, and the bytes of their messages. Above either bound calls go
/// unwatched: the answers still arrive, but transactions among them are not kept, and until then the connection cannot
/// be carried over.
const MAX_WAITING: usize = 4_096;
const MAX_WAITING_BYTES: usize = 8 << 20;
/// Subscriptions of one connection that are carried over; with more it is closed when its node dies.
const MAX_SUBSCRIPTIONS: usize = 1_024;

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// Messages with calls that have no answer yet, oldest first.
    messages: BTreeMap<u64, Message>,
    /// Those calls, by their id as the client wrote it.
    waiting: HashMap<String, (u64, Wanted)>,
    bytes: usize,
    next: u64,
    pub(crate) subscriptions: Vec<Subscription>,
    /// Calls without an answer that were not remembered.
    unwatched: usize,
    /// There were more subscriptions than are remembered.
    too_many: bool,
}

#[derive(Debug)]
struct Message {
    text: String,
    unanswered: usize,
    repeatable: bool,
}

#[derive(Debug)]
enum Wanted {
    Answer(Kind),
    Subscription(Box<RawValue>),
    EndOf(String),
}

/// What to do with a message of the node.
#[derive(Debug)]
pub(crate) enum Incoming<'a> {
    Pass,
    /// The client has had it already.
    Drop,
    Rewritten(String),
    Answers(Answers<'a>),
}

impl Session {
    /// A message of the client; for the node, what it must read instead if that differs.
    /// `tag` is the one of the node's filters.
    pub(crate) fn outgoing(&mut self, text: &str, max_batch: usize, tag: u32) -> Option<String> {
        let request = parse(text.as_bytes(), max_batch).ok()?;
        let number = self.next;
        self.next += 1;
        let mut message = Message { text: text.to_owned(), unanswered: 0, repeatable: true };
        for call in &request.calls {
            let (Some(id), kind) = (id_of(call), call.kind()) else { continue };
            if kind == Kind::Invalid {
                // Its answer may have no ID.
                continue;
            }
            if self.waiting.len() >= MAX_WAITING || self.bytes + text.len() > MAX_WAITING_BYTES {
                self.unwatched += 1;
                continue;
            }
            message.repeatable &= kind.is_repeatable();
            message.unanswered += 1;
            if let Some((before, _)) = self.waiting.insert(id, (number, wanted(call, kind))) {
                self.answered(before);
            }
        }
        if message.unanswered > 0 {
            self.bytes += text.len();
            self.messages.insert(number, message);
        }
        self.translated(text, tag)
    }

    /// The message with the node's IDs of subscriptions and filters, where they are not those that the client knows.
    fn translated(&self, text: &str, tag: u32) -> Option<String> {
        let mut ids: Vec<(String, String)> = Vec::new();
        if text.contains("eth_unsubscribe") {
            let moved = self.subscriptions.iter().filter(|one| one.moved() && text.contains(&one.public));
            ids.extend(moved.map(|one| (one.public.clone(), one.node.clone())));
        }
        if text.contains("Filter") {
            let request = parse(text.as_bytes(), usize::MAX).ok();
            for call in request.iter().flat_map(|request| &request.calls) {
                // A filter of another node is not found on this one.
                if let Kind::UseFilter { tag: of, id } = call.kind()
                    && of == tag
                {
                    ids.extend(filter::encode(tag, &id).map(|public| (public, id)));
                }
            }
        }
        let changed = |text: String, (public, node): &(String, String)| text.replace(public, node);
        (!ids.is_empty()).then(|| ids.iter().fold(text.to_owned(), changed))
    }

    fn answered(&mut self, number: u64) {
        let Some(message) = self.messages.get_mut(&number) else { return };
        message.unanswered -= 1;
        if message.unanswered == 0 {
            self.bytes -= message.text.len();
            self.messages.remove(&number);
        }
    }

    /// A message of the node. `head` is the newest block the node is known to have.
    pub(crate) fn incoming<'a>(&mut self, text: &'a str, head: u64) -> Incoming<'a> {
        if text.contains("\"eth_subscription\"")
            && let Some(note) = Note::parse(text)
        {
            return self.notification(&note);
        }
        if self.waiting.is_empty() && self.unwatched == 0 {
            return Incoming::Pass;
        }
        let batch = text.trim_start().starts_with('[');
        let replies: Result<Vec<Reply<'a>>, _> =
            if batch { serde_json::from_str(text) } else { serde_json::from_str(text).map(|reply| vec![reply]) };
        let Ok(replies) = replies else { return Incoming::Pass };
        let kinds: Vec<Kind> = replies.iter().map(|reply| self.settled(reply, head)).collect();
        if kinds.iter().all(Kind::is_passed_on) {
            return Incoming::Pass;
        }
        let ids = replies.iter().map(|reply| reply.id).collect();
        let outcomes = replies.into_iter().map(Outcome::from).collect();
        Incoming::Answers(Answers { batch, ids, kinds, outcomes })
    }

    fn settled(&mut self, reply: &Reply<'_>, head: u64) -> Kind {
        let plain = Kind::Plain { repeatable: false };
        let Some((number, wanted)) = reply.id.and_then(|id| self.waiting.remove(id.get())) else {
            self.unwatched = self.unwatched.saturating_sub(1);
            return plain;
        };
        self.answered(number);
        match (wanted, reply.result) {
            (Wanted::Answer(kind), _) => return kind,
            (Wanted::Subscription(params), Some(id)) => {
                if self.subscriptions.len() >= MAX_SUBSCRIPTIONS {
                    self.too_many = true;
                } else if let Ok(id) = serde_json::from_str(id.get()) {
                    self.subscriptions.push(Subscription::new(id, params, head));
                }
            }
            (Wanted::EndOf(public), Some(result)) if result.get() == "true" => {
                self.subscriptions.retain(|one| one.public != public);
            }
            _ => {}
        }
        plain
    }

    fn notification<'a>(&mut self, note: &Note<'a>) -> Incoming<'a> {
        let Some(one) = self.subscriptions.iter_mut().find(|one| one.node == note.subscription) else {
            return Incoming::Pass;
        };
        if one.is_repetition(note.result) {
            return Incoming::Drop;
        }
        one.serve(note.result);
        if one.moved() { Incoming::Rewritten(one.note(note.result)) } else { Incoming::Pass }
    }

    /// Whether everything was remembered that another node needs to go on.
    pub(crate) fn can_move(&self) -> bool {
        self.unwatched == 0 && !self.too_many
    }

    /// The messages that still want answers, as another node must read them, and those it must not read again.
    pub(crate) fn unanswered(&mut self, tag: u32) -> (Vec<String>, Vec<String>) {
        let again = |message: &&Message| message.repeatable;
        let text = |message: &Message| self.translated(&message.text, tag).unwrap_or_else(|| message.text.clone());
        let repeated = self.messages.values().filter(again).map(text).collect();
        for (_, wanted) in self.waiting.values_mut() {
            if let Wanted::Answer(Kind::SendRaw(sending)) = wanted {
                sending.is_repeated = true;
            }
        }
        let lost: Vec<u64> =
            self.messages.iter().filter(|(_, one)| !one.repeatable).map(|(number, _)| *number).collect();
        self.waiting.retain(|_, (number, _)| !lost.contains(number));
        let mut refused = Vec::new();
        for number in lost {
            if let Some(message) = self.messages.remove(&number) {
                self.bytes -= message.text.len();
                refused.push(message.text);
            }
        }
        (repeated, refused)
    }
}

fn wanted(call: &Call<'_>, kind: Kind) -> Wanted {
    let params = call.params.map(RawValue::to_owned);
    match (call.method.as_ref(), params) {
        ("eth_subscribe", Some(params)) => Wanted::Subscription(params),
        ("eth_unsubscribe", Some(params)) => {
            let id: Option<(Cow<'_, str>,)> = serde_json::from_str(params.get()).ok();
            id.map_or(Wanted::Answer(kind), |(id,)| Wanted::EndOf(id.into_owned()))
        }
        _ => Wanted::Answer(kind),
    }
}

fn id_of(call: &Call<'_>) -> Option<String> {
    call.id.map(|id| id.get().to_owned())
}

/// Answers that may need correcting.
#[derive(Debug)]
pub(crate) struct Answers<'a> {
    batch: bool,
    ids: Vec<Option<&'a RawValue>>,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) outcomes: Vec<Outcome>,
}

impl Answers<'_> {
    /// The message for the client.
    pub(crate) fn write(self) -> String {
        let mut written: Vec<String> = Vec::with_capacity(self.outcomes.len());
        for (id, outcome) in self.ids.iter().zip(&self.outcomes) {
            let id = id.map_or("null", RawValue::get);
            let (name, value) = match outcome {
                Outcome::Result(result) => ("result", result.get()),
                Outcome::Error(error) => ("error", error.get()),
            };
            written.push(format!(r#"{{"jsonrpc":"2.0","id":{id},"{name}":{value}}}"#));
        }
        let all = written.join(",");
        if self.batch { format!("[{all}]") } else { all }
    }
}

/// The block number if this is a notification of a new head.
pub(crate) fn new_head(text: &str) -> Option<u64> {
    if !text.contains("\"eth_subscription\"") || !text.contains("\"parentHash\"") {
        return None;
    }
    #[derive(serde::Deserialize)]
    struct Header {
        number: U64,
    }
    let header: Header = serde_json::from_str(Note::parse(text)?.result.get()).ok()?;
    Some(header.number.to())
}

#[cfg(test)]
mod tests;
