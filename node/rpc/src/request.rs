//! JSON-RPC envelopes: what a body holds, before anybody looks at methods. It must not know methods or transports.
//!
//! A request without `id` is a notification: it is carried out, and nobody hears of it (JSON-RPC 2.0, geth).

use jsonrpsee::types::Id;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Call<'a> {
    /// `None` for a notification.
    pub(crate) id: Option<Id<'a>>,
    pub(crate) method: Cow<'a, str>,
    pub(crate) params: Option<&'a RawValue>,
}

/// One entry: a call, or something else with the ID it seems to have.
pub(crate) type Entry<'a> = Result<Call<'a>, Id<'a>>;

/// A whole body.
#[derive(Debug)]
pub(crate) enum Requests<'a> {
    One(Entry<'a>),
    Batch(Vec<Entry<'a>>),
    /// More entries than the limit, and the first ID among them.
    TooMany(Id<'a>),
    /// Not JSON.
    Malformed(String),
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<Id<'a>>,
}

/// Begins the text that stands for a number that [`Id`] has no room for; [`restore`] makes it that number again.
const NUMBER: &str = "\u{0}number ";
/// The same in an answer.
const ANSWERED_NUMBER: &str = r#"{"jsonrpc":"2.0","id":"\u0000number "#;

/// An ID that is there, be it `null`.
fn present<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Option<Id<'a>>, D::Error> {
    any_id(deserializer).map(Some)
}

/// Text, `null` or a number; also one below zero, beyond 64 bits or with a fraction, which is sent back as it came (geth).
fn any_id<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Id<'a>, D::Error> {
    let json = <&RawValue>::deserialize(deserializer)?.get();
    match serde_json::from_str(json) {
        Ok(Id::Str(text)) if text.starts_with(NUMBER) => Err(D::Error::custom("no ID")),
        Ok(id) => Ok(id),
        Err(_) if json.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
            Ok(Id::Str(format!("{NUMBER}{json}").into()))
        }
        Err(error) => Err(D::Error::custom(error)),
    }
}

/// An answer with the ID as it came.
pub(crate) fn restore(answer: String) -> String {
    match answer.strip_prefix(ANSWERED_NUMBER).and_then(|rest| rest.split_once('"')) {
        Some((number, rest)) => format!(r#"{{"jsonrpc":"2.0","id":{number}{rest}"#),
        None => answer,
    }
}

#[derive(Deserialize)]
struct OnlyId<'a> {
    #[serde(borrow, deserialize_with = "any_id")]
    id: Id<'a>,
}

fn entry(json: &RawValue) -> Entry<'_> {
    match serde_json::from_str::<Envelope<'_>>(json.get()) {
        Ok(Envelope { jsonrpc: Some(version), method: Some(method), params, id }) if version == "2.0" => {
            Ok(Call { id, method, params })
        }
        Ok(Envelope { id, .. }) => Err(id.unwrap_or(Id::Null)),
        Err(_) => Err(serde_json::from_str::<OnlyId<'_>>(json.get()).map_or(Id::Null, |only| only.id)),
    }
}

/// The entries of a batch, as far as the limit; the others are passed over, not kept.
struct Entries<'a> {
    kept: Vec<&'a RawValue>,
    more: bool,
}

/// Reads [`Entries`].
struct UpTo(usize);

impl<'a> DeserializeSeed<'a> for UpTo {
    type Value = Entries<'a>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Entries<'a>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'a> Visitor<'a> for UpTo {
    type Value = Entries<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a batch")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut entries: A) -> Result<Entries<'a>, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < self.0 {
            match entries.next_element()? {
                Some(entry) => kept.push(entry),
                None => return Ok(Entries { kept, more: false }),
            }
        }
        let mut more = false;
        while entries.next_element::<IgnoredAny>()?.is_some() {
            more = true;
        }
        Ok(Entries { kept, more })
    }
}

fn entries(body: &[u8], limit: usize) -> Result<Entries<'_>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let entries = UpTo(limit).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(entries)
}

/// Reads a body; `limit` is the most entries of a batch.
pub(crate) fn parse(body: &[u8], limit: usize) -> Requests<'_> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'[') {
        return match entries(body, limit) {
            Ok(Entries { kept, more: true }) => {
                let id = kept.iter().find_map(|json| entry(json).ok()?.id);
                Requests::TooMany(id.unwrap_or(Id::Null))
            }
            Ok(Entries { kept, more: false }) => Requests::Batch(kept.into_iter().map(entry).collect()),
            Err(error) => Requests::Malformed(error.to_string()),
        };
    }
    match serde_json::from_slice::<&RawValue>(body) {
        Ok(json) => Requests::One(entry(json)),
        Err(error) => Requests::Malformed(error.to_string()),
    }
}

impl<'a> Requests<'a> {
    /// The ID that an answer to the whole has: the one of a single request, else none.
    pub(crate) fn first_id(&self) -> Id<'a> {
        match self {
            Self::One(Ok(Call { id: Some(id), .. }) | Err(id)) | Self::TooMany(id) => id.clone(),
            _ => Id::Null,
        }
    }

    /// How many requests this is to a rate limit.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::One(_) | Self::TooMany(_) | Self::Malformed(_) => 1,
            Self::Batch(entries) => entries.len().max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(body: &str) -> Entry<'_> {
        let Requests::One(entry) = parse(body.as_bytes(), 10) else { panic!("not a single request: {body}") };
        entry
    }

    #[test]
    fn single_requests() {
        let call = one(r#" {"jsonrpc":"2.0","id":7,"method":"eth_chainId","params":[1]} "#).unwrap();
        assert_eq!((call.id, &*call.method, call.params.unwrap().get()), (Some(Id::Number(7)), "eth_chainId", "[1]"));
        assert_eq!(one(r#"{"jsonrpc":"2.0","method":"m"}"#).unwrap().id, None, "a notification");
        assert_eq!(one(r#"{"jsonrpc":"2.0","method":"m","id":null}"#).unwrap().id, Some(Id::Null), "not one");
        assert_eq!(one(r#"{"jsonrpc":"2.0","id":"a","method":"\u0065th"}"#).unwrap().method, "eth");
    }

    #[test]
    fn any_number_comes_back_as_it_came() {
        for number in ["-1", "1.5", "1e3", "12345678901234567890123", "18446744073709551615", "0"] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{number},"method":"m"}}"#);
            let id = serde_json::to_string(&one(&body).unwrap().id).unwrap();
            let answer = restore(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"\u0000number 7"}}"#));
            assert_eq!(answer, format!(r#"{{"jsonrpc":"2.0","id":{number},"result":"\u0000number 7"}}"#));
            let bad = format!(r#"{{"jsonrpc":"2.0","id":{number},"method":5}}"#);
            assert_eq!(serde_json::to_string(&one(&bad).unwrap_err()).unwrap(), id);
        }
        assert_eq!(one(r#"{"jsonrpc":"2.0","id":"\u0000number 7","method":"m"}"#).unwrap_err(), Id::Null, "a text");
        assert_eq!(one(r#"{"jsonrpc":"2.0","id":true,"method":"m"}"#).unwrap_err(), Id::Null);
    }

    #[test]
    fn what_is_no_request_keeps_its_id() {
        assert_eq!(one(r#"{"id":3,"method":"m"}"#).unwrap_err(), Id::Number(3));
        assert_eq!(one(r#"{"jsonrpc":"1.0","id":3,"method":"m"}"#).unwrap_err(), Id::Number(3));
        assert_eq!(one(r#"{"jsonrpc":"2.0","id":3,"method":5}"#).unwrap_err(), Id::Number(3));
        for body in ["1", "null", "\"text\"", r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#] {
            assert_eq!(one(body).unwrap_err(), Id::Null, "{body}");
        }
    }

    #[test]
    fn batches_and_rubbish() {
        assert!(matches!(parse(b"[]", 10), Requests::Batch(entries) if entries.is_empty()));
        let two = br#"[1, {"jsonrpc":"2.0","id":9,"method":"m"}]"#;
        assert!(matches!(parse(two, 2), Requests::Batch(entries) if entries[0].is_err() && entries[1].is_ok()));
        let three = br#"[1, {"jsonrpc":"2.0","id":9,"method":"m"}, 3]"#;
        assert!(matches!(parse(three, 2), Requests::TooMany(Id::Number(9))));
        let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
        assert!(matches!(parse(&deep, 10), Requests::Batch(_) | Requests::Malformed(_)));
        for rubbish in [&b""[..], b"   ", b"{", b"[1,", b"\xff\xfe", b"{\"a\":\"\xff\"}"] {
            assert!(matches!(parse(rubbish, 10), Requests::Malformed(_)), "{rubbish:?}");
        }
    }
}
