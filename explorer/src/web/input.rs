//! What a transaction's input and a log's topics say, as far as the bytes themselves tell. Knows no contract's source.

use crate::model::{Log, Transaction};
use alloy_primitives::{B256, hex, keccak256};
use std::{collections::HashMap, sync::LazyLock};

/// Bytes shown of an input or of a log's data; the JSON interface gives all that is kept.
const SHOWN: usize = 8 << 10;
const SHOWN_WORDS: usize = 64;

/// Functions of widespread standards (ERC-20, ERC-721, ERC-1155, WETH) and of common first contracts.
const FUNCTIONS: [&str; 18] = [
    "transfer(address,uint256)",
    "approve(address,uint256)",
    "transferFrom(address,address,uint256)",
    "safeTransferFrom(address,address,uint256)",
    "safeTransferFrom(address,address,uint256,uint256,bytes)",
    "setApprovalForAll(address,bool)",
    "mint(address,uint256)",
    "mint(uint256)",
    "burn(uint256)",
    "deposit()",
    "withdraw(uint256)",
    "transferOwnership(address)",
    "multicall(bytes[])",
    "increment()",
    "setNumber(uint256)",
    "store(uint256)",
    "set(uint256)",
    "setGreeting(string)",
];

const EVENTS: [&str; 8] = [
    "Transfer(address,address,uint256)",
    "Approval(address,address,uint256)",
    "ApprovalForAll(address,address,bool)",
    "TransferSingle(address,address,address,uint256,uint256)",
    "OwnershipTransferred(address,address)",
    "Deposit(address,uint256)",
    "Withdrawal(address,uint256)",
    "Upgraded(address)",
];

static SELECTORS: LazyLock<HashMap<[u8; 4], &'static str>> = LazyLock::new(|| {
    let selector = |name: &str| keccak256(name).first_chunk().copied().unwrap_or_default();
    FUNCTIONS.iter().map(|name| (selector(name), *name)).collect()
});

static TOPICS: LazyLock<HashMap<B256, &'static str>> =
    LazyLock::new(|| EVENTS.iter().map(|name| (keccak256(name), *name)).collect());

/// An input, taken apart.
pub struct InputView {
    /// Size in bytes.
    pub size: usize,
    /// First four bytes, of a call.
    pub selector: Option<String>,
    /// The function, if widely known.
    pub function: Option<&'static str>,
    /// 32-byte words after the selector, when the length fits.
    pub words: Vec<String>,
    /// As text, if it is one.
    pub text: Option<String>,
    /// As hex.
    pub hex: String,
    /// Whether less is shown than there is.
    pub cut: bool,
}

/// A log, for people.
pub struct LogView {
    /// Position in the transaction.
    pub place: usize,
    /// Who wrote it.
    pub address: super::parts::AddressLink,
    /// The event, if widely known.
    pub event: Option<&'static str>,
    /// Topics.
    pub topics: Vec<String>,
    /// Data as hex.
    pub data: String,
    /// Data as text, if it is one.
    pub text: Option<String>,
    /// Whether less is shown than there is.
    pub cut: bool,
}

/// What a transaction does, in a word.
pub fn action(transaction: &Transaction) -> String {
    if transaction.to.is_none() {
        return "create".to_owned();
    }
    match transaction.input.first_chunk::<4>() {
        None if transaction.input.is_empty() => "transfer".to_owned(),
        None => "data".to_owned(),
        Some(selector) => match SELECTORS.get(selector).and_then(|name| name.split('(').next()) {
            Some(name) => name.to_owned(),
            None => hex::encode_prefixed(selector),
        },
    }
}

impl InputView {
    /// The input of a transaction.
    pub fn new(transaction: &Transaction) -> Self {
        let input = &transaction.input;
        let selector = if transaction.to.is_some() { input.first_chunk::<4>() } else { None };
        let arguments = input.get(4..).filter(|rest| selector.is_some() && rest.len().is_multiple_of(32));
        let words = arguments.unwrap_or_default().chunks(32).take(SHOWN_WORDS).map(hex::encode).collect();
        let shown = input.get(..SHOWN).unwrap_or(input);
        Self {
            size: input.len(),
            selector: selector.map(hex::encode_prefixed),
            function: selector.and_then(|selector| SELECTORS.get(selector).copied()),
            words,
            text: readable(shown),
            hex: hex::encode_prefixed(shown),
            cut: shown.len() < input.len() || transaction.truncated,
        }
    }
}

impl LogView {
    /// A log at a position.
    pub fn new(place: usize, log: &Log) -> Self {
        let shown = log.data.get(..SHOWN).unwrap_or(&log.data);
        Self {
            place,
            address: super::parts::AddressLink::new(log.address),
            event: log.topics.first().and_then(|topic| TOPICS.get(topic).copied()),
            topics: log.topics.iter().map(ToString::to_string).collect(),
            data: hex::encode_prefixed(shown),
            text: readable(shown),
            cut: shown.len() < log.data.len(),
        }
    }
}

/// Bytes as text, if they are text that somebody may have written: UTF-8 without control characters.
pub fn readable(bytes: &[u8]) -> Option<String> {
    // ABI-encoded strings end in zeros.
    let end = bytes.iter().rposition(|byte| *byte != 0)? + 1;
    let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let plain = |letter: char| !letter.is_control() || matches!(letter, '\n' | '\t');
    (text.chars().count() >= 4 && text.chars().all(plain)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_selectors_have_their_published_values() {
        assert_eq!(SELECTORS.get(&[0xa9, 0x05, 0x9c, 0xbb]).copied(), Some("transfer(address,uint256)"));
        let transfer = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
        assert_eq!(TOPICS.get(&transfer.parse::<B256>().unwrap()).copied(), Some("Transfer(address,address,uint256)"));
    }

    #[test]
    fn only_text_is_shown_as_text() {
        assert_eq!(readable(b"hello\0\0").as_deref(), Some("hello"));
        assert_eq!(readable(b"\x01\x02\x03\x04"), None);
        assert_eq!(readable(&[0xff; 8]), None);
        assert_eq!(readable(&[]), None);
        assert_eq!(readable(&[0; 32]), None);
    }
}
