//! The pieces pages are made of: the frame, links to hashes and addresses, times, rows. Each escapes what it shows.

use super::{AppState, assets, format};
use crate::{
    index::Placed,
    model::{Block, Transaction},
};
use alloy_primitives::{Address, B256, U256};
use askama::{Template, filters::HtmlSafe};

/// What the frame around every page shows.
pub struct Layout {
    /// Name of this explorer.
    pub site: String,
    /// Title of the page.
    pub title: String,
    /// Which entry of the navigation is current.
    pub nav: &'static str,
    /// Told above the page: something is not as it should be.
    pub banner: Option<String>,
    /// What stands in the search field.
    pub query: String,
    /// Seconds after which the page loads again, for what is expected to change.
    pub refresh: Option<u32>,
    /// Chain ID, if known.
    pub chain_id: Option<u64>,
    /// Height of the index.
    pub height: Option<String>,
    /// Changes with the assets.
    pub version: &'static str,
}

impl Layout {
    /// The frame of a page.
    pub fn new(app: &AppState, title: &str, nav: &'static str) -> Self {
        let status = app.live.status();
        let height = status.indexed.as_ref().map(|state| format::grouped(state.head.number));
        let lag = status.lag();
        let banner = match (&status.node, &height, &status.problem) {
            (None, Some(height), None) => Some(format!("No node reachable. Showing the index up to block {height}.")),
            (None, Some(height), Some(problem)) => {
                Some(format!("No node reachable: {problem}. Showing the index up to block {height}."))
            }
            (None, None, problem) => {
                let reason = problem.as_ref().map(|problem| format!(": {problem}")).unwrap_or_default();
                Some(format!("Waiting for the first node{reason}. Nothing is indexed yet."))
            }
            (Some(_), _, _) if lag > 3 => {
                Some(format!("Indexing: {} blocks behind the newest one.", format::grouped(lag)))
            }
            _ => None,
        };
        let known = status.indexed.as_ref().and_then(|state| state.network).map(|network| network.chain_id);
        Self {
            site: app.name.to_string(),
            title: title.to_owned(),
            nav,
            banner,
            query: String::new(),
            refresh: None,
            chain_id: status.facts.chain_id.or(known),
            height,
            version: assets::version(),
        }
    }
}

/// A shortened hash: its link, and a button to copy all of it.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<span class="hash">{% if !href.is_empty() %}<a href="{{ href }}" title="{{ full }}"><code>{{ text }}</code></a>{% else %}<code title="{{ full }}">{{ text }}</code>{% endif %}{% if copy %}<button class="copy" type="button" data-copy="{{ full }}" aria-label="Copy {{ full }}"></button>{% endif %}</span>"#
)]
pub struct Hash {
    href: String,
    full: String,
    text: String,
    copy: bool,
}
impl HtmlSafe for Hash {}

impl Hash {
    /// A block by its hash.
    pub fn block(hash: B256) -> Self {
        Self::link(format!("/block/{hash}"), hash.to_string())
    }

    /// A transaction.
    pub fn transaction(hash: B256) -> Self {
        Self::link(format!("/tx/{hash}"), hash.to_string())
    }

    /// Something without a page of its own.
    pub fn plain(text: String) -> Self {
        Self { href: String::new(), full: text.clone(), text, copy: true }
    }

    /// The whole text instead of its ends.
    pub fn in_full(mut self) -> Self {
        self.text.clone_from(&self.full);
        self.copy = true;
        self
    }

    /// With the button.
    pub fn copied(mut self) -> Self {
        self.copy = true;
        self
    }

    fn link(href: String, full: String) -> Self {
        Self { href, text: format::short(&full), full, copy: false }
    }
}

/// An address: a mark in colours of its own, its link, a button to copy it.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<span class="address"><svg class="mark" viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="8" fill="hsl({{ outer }} 60% 55%)"/><circle cx="{{ x }}" cy="{{ y }}" r="{{ r }}" fill="hsl({{ inner }} 70% 35%)"/></svg>{{ hash }}</span>"#
)]
pub struct AddressLink {
    outer: u16,
    inner: u16,
    x: u8,
    y: u8,
    r: u8,
    hash: Hash,
}
impl HtmlSafe for AddressLink {}

impl AddressLink {
    /// An address, shortened.
    pub fn new(address: Address) -> Self {
        let hue = |place: usize| u16::from_be_bytes([address[place], address[place + 1]]) % 360;
        let part = |place: usize, least: u8, most: u8| least + address[place] % (most - least + 1);
        Self {
            outer: hue(18),
            inner: hue(16),
            x: part(15, 5, 11),
            y: part(14, 5, 11),
            r: part(13, 3, 5),
            hash: Hash::link(format!("/address/{address}"), address.to_string()),
        }
    }

    /// In full.
    pub fn in_full(mut self) -> Self {
        self.hash = self.hash.in_full();
        self
    }
}

/// A time: how long ago, with the date for the pointer and for machines.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<time datetime="{{ iso }}" data-unix="{{ unix }}" title="{{ iso }}">{{ ago }}</time>"#
)]
pub struct Time {
    unix: u64,
    iso: String,
    ago: String,
}
impl HtmlSafe for Time {}

impl Time {
    /// Seconds since 1970.
    pub fn new(timestamp: u64) -> Self {
        Self { unix: timestamp, iso: format::iso(timestamp), ago: format::ago(timestamp, format::now()) }
    }

    /// The date.
    pub fn date(&self) -> String {
        self.iso.replace('T', " ").replace('Z', " UTC")
    }
}

/// A block in a list.
pub struct BlockRow {
    /// Height, for links.
    pub number: u64,
    /// Height, for people.
    pub height: String,
    /// When.
    pub time: Time,
    /// Its hash.
    pub hash: Hash,
    /// Who made it.
    pub miner: AddressLink,
    /// How many transactions.
    pub transactions: String,
    /// Gas used.
    pub gas_used: String,
    /// Gas used, of a hundred.
    pub fill: u64,
    /// Gas used, in percent.
    pub fill_text: String,
}

impl BlockRow {
    /// A row of a block.
    pub fn new(block: &Block) -> Self {
        Self {
            number: block.number,
            height: format::grouped(block.number),
            time: Time::new(block.timestamp),
            hash: Hash::block(block.hash),
            miner: AddressLink::new(block.miner),
            transactions: format::grouped(block.transaction_count),
            gas_used: format::grouped(block.gas_used),
            fill: fill(block),
            fill_text: format::percent(block.gas_used, block.gas_limit),
        }
    }
}

/// Gas used of a hundred parts of the limit.
pub fn fill(block: &Block) -> u64 {
    u64::try_from(u128::from(block.gas_used) * 100 / u128::from(block.gas_limit.max(1))).unwrap_or(100).min(100)
}

/// A transaction in a list.
pub struct TransactionRow {
    /// Its hash.
    pub hash: Hash,
    /// `ok`, `failed` or `unknown`.
    pub status: &'static str,
    /// What it does, in a word.
    pub action: String,
    /// Block.
    pub number: u64,
    /// Block, for people.
    pub height: String,
    /// When.
    pub time: Time,
    /// Sender.
    pub from: AddressLink,
    /// Receiver, or the contract created.
    pub to: Option<AddressLink>,
    /// Seen from the address whose page this is: `in`, `out`, `self`; empty elsewhere.
    pub direction: &'static str,
    /// Value.
    pub value: String,
    /// Fee.
    pub fee: String,
}

impl TransactionRow {
    /// A row of a transaction.
    pub fn new(placed: &Placed) -> Self {
        let transaction = &placed.transaction;
        Self {
            hash: Hash::transaction(transaction.hash),
            status: status(transaction),
            action: super::input::action(transaction),
            number: placed.place.block_number,
            height: format::grouped(placed.place.block_number),
            time: Time::new(placed.timestamp),
            from: AddressLink::new(transaction.from),
            to: transaction.to.or(transaction.created()).map(AddressLink::new),
            direction: "",
            value: format::ether_short(transaction.value),
            fee: fee(transaction).map_or_else(|| "?".to_owned(), format::ether_short),
        }
    }

    /// As seen from one address.
    pub fn seen_from(mut self, transaction: &Transaction, address: Address) -> Self {
        self.direction = match (transaction.from == address, transaction.to == Some(address)) {
            (true, true) => "self",
            (true, false) => "out",
            _ => "in",
        };
        self
    }
}

/// `ok`, `failed`, or `unknown` without a receipt or before Byzantium.
pub fn status(transaction: &Transaction) -> &'static str {
    match transaction.succeeded() {
        Some(true) => "ok",
        Some(false) => "failed",
        None => "unknown",
    }
}

/// What was paid for gas; `None` while unknown.
pub fn fee(transaction: &Transaction) -> Option<U256> {
    let receipt = transaction.receipt.as_ref()?;
    let price = receipt.effective_gas_price.or(transaction.gas_price)?;
    Some(U256::from(receipt.gas_used).saturating_mul(U256::from(price)))
}
