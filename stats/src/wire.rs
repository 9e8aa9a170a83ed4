//! What nodes say, read leniently: geth, Besu and reth disagree on names and number formats.
//!
//! Knows only JSON. Every text is cut to [`MAX_TEXT`] characters here, so nothing behind this file meets a long one.

use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Characters kept of any text a node sends.
pub(crate) const MAX_TEXT: usize = 140;
/// Blocks read of one history message; the rest is dropped.
pub(crate) const MAX_HISTORY: usize = 200;

/// One message of a node.
#[derive(Debug)]
pub(crate) enum Report {
    Hello(Box<Hello>),
    Ping {
        client_time: Text,
    },
    Latency(Quantity),
    Block(Box<BlockReport>),
    History(Vec<BlockReport>),
    Pending(Quantity),
    Stats(NodeStats),
    /// A command this server has no use for (XDC's forensics, ethstats' `end`): ignored, not punished.
    Other,
}

/// Why a message was not understood.
#[derive(Debug, thiserror::Error)]
#[error("not an ethstats message")]
pub(crate) struct WireError(#[source] serde_json::Error);

/// A JSON number, a decimal string or a hexadecimal string; never negative, never infinite.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub(crate) struct Quantity(pub(crate) f64);

impl Quantity {
    /// The whole part; saturates.
    pub(crate) fn whole(self) -> u64 {
        self.0 as u64
    }
}

/// A string or number as a bounded text without control characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Text(pub(crate) String);

/// How many elements a list has: transactions and uncles are only counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) u64);

/// `hello`.
#[derive(Debug, Deserialize)]
pub(crate) struct Hello {
    /// geth and reth send a name, Besu a public key.
    pub(crate) id: Text,
    #[serde(default)]
    pub(crate) info: NodeInfo,
    #[serde(default)]
    pub(crate) secret: Option<String>,
}

/// What a node says of itself. The aliases are reth's names.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NodeInfo {
    pub(crate) name: Text,
    pub(crate) node: Text,
    #[serde(alias = "network")]
    pub(crate) net: Text,
    pub(crate) protocol: Text,
    pub(crate) os: Text,
    #[serde(alias = "os_ver")]
    pub(crate) os_v: Text,
    #[serde(rename = "canUpdateHistory", alias = "history")]
    pub(crate) history: Option<bool>,
}

/// A block as reported.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct BlockReport {
    pub(crate) number: Quantity,
    pub(crate) hash: Text,
    pub(crate) parent_hash: Text,
    pub(crate) timestamp: Quantity,
    pub(crate) miner: Text,
    pub(crate) gas_used: Quantity,
    pub(crate) gas_limit: Quantity,
    pub(crate) difficulty: Quantity,
    pub(crate) total_difficulty: Quantity,
    pub(crate) transactions: Count,
    pub(crate) uncles: Count,
}

/// The `stats` message.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct NodeStats {
    pub(crate) syncing: Option<bool>,
    pub(crate) mining: Option<bool>,
    pub(crate) hashrate: Quantity,
    pub(crate) peers: Quantity,
    pub(crate) gas_price: Quantity,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    // A pair, not a list: a list of a million zeros must not become a million values.
    #[serde(borrow)]
    emit: (Cow<'a, str>, &'a RawValue),
}

#[derive(Deserialize)]
struct PingBody {
    #[serde(default, rename = "clientTime")]
    client_time: Text,
}

#[derive(Deserialize)]
struct LatencyBody {
    #[serde(default)]
    latency: Quantity,
}

#[derive(Deserialize)]
struct BlockBody {
    block: BlockReport,
}

#[derive(Deserialize)]
struct HistoryBody {
    #[serde(default)]
    history: BoundedHistory,
}

#[derive(Deserialize)]
struct PendingBody {
    // geth and Besu say `stats`, reth says `pending`.
    #[serde(alias = "pending")]
    stats: PendingCount,
}

#[derive(Deserialize)]
struct PendingCount {
    #[serde(default)]
    pending: Quantity,
}

#[derive(Deserialize)]
struct StatsBody {
    stats: NodeStats,
}

#[derive(Default)]
struct BoundedHistory(Vec<BlockReport>);

/// Reads one text frame.
pub(crate) fn parse(text: &str) -> Result<Report, WireError> {
    let Envelope { emit: (command, body) } = serde_json::from_str(text).map_err(WireError)?;
    let body = body.get();
    let report = match command.as_ref() {
        "hello" => Report::Hello(Box::new(serde_json::from_str(body).map_err(WireError)?)),
        "node-ping" => Report::Ping { client_time: read::<PingBody>(body)?.client_time },
        "latency" => Report::Latency(read::<LatencyBody>(body)?.latency),
        "block" => Report::Block(Box::new(read::<BlockBody>(body)?.block)),
        "history" => Report::History(read::<HistoryBody>(body)?.history.0),
        "pending" => Report::Pending(read::<PendingBody>(body)?.stats.pending),
        "stats" => Report::Stats(read::<StatsBody>(body)?.stats),
        _ => Report::Other,
    };
    Ok(report)
}

fn read<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T, WireError> {
    serde_json::from_str(body).map_err(WireError)
}

/// A text cut to [`MAX_TEXT`] characters, control characters removed.
pub(crate) fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect()
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(QuantityVisitor)
    }
}

struct QuantityVisitor;

impl<'de> Visitor<'de> for QuantityVisitor {
    type Value = Quantity;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a decimal string or a hexadecimal string")
    }

    fn visit_u64<E>(self, value: u64) -> Result<Quantity, E> {
        Ok(Quantity(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Quantity, E> {
        Ok(Quantity(value.max(0) as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Quantity, E> {
        Ok(Quantity(if value.is_finite() { value.max(0.0) } else { 0.0 }))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Quantity, E> {
        quantity(value).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(value), &self))
    }

    fn visit_unit<E>(self) -> Result<Quantity, E> {
        Ok(Quantity(0.0))
    }
}

// 2^256 has 78 decimal digits: anything longer is no quantity of Ethereum's.
fn quantity(text: &str) -> Option<Quantity> {
    if text.len() > 80 {
        return None;
    }
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(hex) => (hex, 16),
        None => (text, 10),
    };
    if digits.is_empty() && radix == 10 {
        return None;
    }
    digits.chars().try_fold(0.0, |sum, c| Some(sum * f64::from(radix) + f64::from(c.to_digit(radix)?))).map(Quantity)
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a number")
    }

    fn visit_str<E>(self, value: &str) -> Result<Text, E> {
        Ok(Text(clean(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Text, E> {
        Ok(Text::default())
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor)
    }
}

struct CountVisitor;

impl<'de> Visitor<'de> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Count, A::Error> {
        let mut count = 0;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Count(count))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Count, E> {
        Ok(Count(value))
    }

    fn visit_unit<E>(self) -> Result<Count, E> {
        Ok(Count(0))
    }
}

impl<'de> Deserialize<'de> for BoundedHistory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HistoryVisitor)
    }
}

struct HistoryVisitor;

impl<'de> Visitor<'de> for HistoryVisitor {
    type Value = BoundedHistory;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of blocks")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<BoundedHistory, A::Error> {
        let mut blocks = Vec::new();
        while blocks.len() < MAX_HISTORY {
            // geth leaves null where it had no block.
            match seq.next_element::<Option<BlockReport>>()? {
                Some(Some(block)) => blocks.push(block),
                Some(None) => {}
                None => return Ok(BoundedHistory(blocks)),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(BoundedHistory(blocks))
    }

    fn visit_unit<E>(self) -> Result<BoundedHistory, E> {
        Ok(BoundedHistory::default())
    }
}

#[cfg(test)]
mod tests;
