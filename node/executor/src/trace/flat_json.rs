//! flatCallTracer's answer: one entry a frame, each with the path to it.

use super::{call_json::kind, frames::Frame, words::REVERTED};
use atoll_primitives::{Address, B256, Bytes, U256, primitives::U64};
use revm::bytecode::opcode::{CALL, SELFDESTRUCT, STATICCALL};
use serde::{Deserialize, Serialize};

/// Where a traced transaction stands; a call stands nowhere.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place {
    pub(crate) block_hash: Option<B256>,
    pub(crate) block_number: u64,
    pub(crate) tx_hash: Option<B256>,
    pub(crate) tx_index: usize,
    /// Logs of the block before the transaction.
    pub(crate) first_log: usize,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct FlatConfig {
    convert_parity_errors: bool,
    include_precompiles: bool,
}

impl FlatConfig {
    /// What geth registers as `parityTracer`.
    pub(super) const PARITY: Self = Self { convert_parity_errors: true, include_precompiles: true };
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    action: Action<'a>,
    block_hash: Option<B256>,
    block_number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Outcome<'a>>,
    subtraces: usize,
    trace_address: &'a [usize],
    transaction_hash: Option<B256>,
    transaction_position: usize,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Action<'a> {
    #[serde(rename_all = "camelCase")]
    Call { call_type: String, from: Address, gas: U64, input: &'a Bytes, to: Option<Address>, value: U256 },
    #[serde(rename_all = "camelCase")]
    Create { creation_method: String, from: Address, gas: U64, init: &'a Bytes, value: U256 },
    #[serde(rename_all = "camelCase")]
    Suicide { address: Address, balance: U256, refund_address: Option<Address> },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<'a> {
    #[serde(rename_all = "camelCase")]
    Call { gas_used: U64, output: &'a Bytes },
    #[serde(rename_all = "camelCase")]
    Create {
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<Address>,
        code: &'a Bytes,
        gas_used: U64,
    },
}

/// The answer for these frames.
pub(super) fn render(frames: &[Frame], place: &Place, config: FlatConfig) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = b"[".to_vec();
    let Some(first) = frames.first() else { return Ok(b"[]".to_vec()) };
    let mut address = Vec::new();
    // The frame, how many of its children have been passed, how many of them shown; `address` is the path of the last.
    let mut path = vec![(first, 0_usize, 0_usize)];
    write(&mut out, first, frames, &address, place, config)?;
    while let Some((frame, next, shown)) = path.last_mut() {
        let Some(child) = frame.children.get(*next).and_then(|child| frames.get(*child)) else {
            path.pop();
            address.pop();
            continue;
        };
        *next += 1;
        if is_hidden(child, config) {
            continue;
        }
        address.push(*shown);
        *shown += 1;
        out.push(b',');
        write(&mut out, child, frames, &address, place, config)?;
        path.push((child, 0, 0));
    }
    out.push(b']');
    Ok(out)
}

/// Parity shows no calls of precompiles, so neither does geth unless asked. A precompile calls nothing itself.
fn is_hidden(frame: &Frame, config: FlatConfig) -> bool {
    !config.include_precompiles && frame.precompile && matches!(frame.kind, CALL | STATICCALL)
}

fn is_shown(frames: &[Frame], index: usize, config: FlatConfig) -> bool {
    frames.get(index).is_some_and(|frame| !is_hidden(frame, config))
}

fn write(
    out: &mut Vec<u8>,
    frame: &Frame,
    frames: &[Frame],
    trace_address: &[usize],
    place: &Place,
    config: FlatConfig,
) -> Result<(), serde_json::Error> {
    let error = frame.error.as_deref();
    // Revert data is useful; what else failed has no result.
    let result = outcome(frame).filter(|_| error.is_none() || error == Some(REVERTED));
    let entry = Entry {
        action: action(frame),
        block_hash: place.block_hash,
        block_number: place.block_number,
        error: if config.convert_parity_errors { error.map(parity_words) } else { error },
        result,
        subtraces: frame.children.iter().filter(|child| is_shown(frames, **child, config)).count(),
        trace_address,
        transaction_hash: place.tx_hash,
        transaction_position: place.tx_index,
        kind: match frame.kind {
            SELFDESTRUCT => "suicide",
            _ if frame.is_create() => "create",
            _ => "call",
        },
    };
    serde_json::to_writer(out, &entry)
}

fn action(frame: &Frame) -> Action<'_> {
    let (from, gas, value) = (frame.from, U64::from(frame.gas), frame.value.unwrap_or_default());
    match frame.kind {
        SELFDESTRUCT => Action::Suicide { address: from, balance: value, refund_address: frame.to },
        op if frame.is_create() => {
            Action::Create { creation_method: kind(op).to_lowercase(), from, gas, init: &frame.input, value }
        }
        op => Action::Call { call_type: kind(op).to_lowercase(), from, gas, input: &frame.input, to: frame.to, value },
    }
}

fn outcome(frame: &Frame) -> Option<Outcome<'_>> {
    let gas_used = U64::from(frame.gas_used);
    match frame.kind {
        SELFDESTRUCT => None,
        _ if frame.is_create() => Some(Outcome::Create { address: frame.to, code: &frame.output, gas_used }),
        _ => Some(Outcome::Call { gas_used, output: &frame.output }),
    }
}

/// Parity's words for a failure, where it has other words than geth.
fn parity_words(error: &str) -> &str {
    match error {
        "contract creation code storage out of gas"
        | "out of gas"
        | "gas uint64 overflow"
        | "max code size exceeded" => "Out of gas",
        "invalid jump destination" => "Bad jump destination",
        "execution reverted" => "Reverted",
        "return data out of bounds" => "Out of bounds",
        "stack limit reached 1024 (1023)" => "Out of stack",
        "precompiled failed" | "invalid input length" => "Built-in failed",
        // geth says what ran out ("out of gas: not enough gas for reentrancy sentry"), Parity does not.
        _ if error.starts_with("out of gas: ") => "Out of gas",
        _ if error.starts_with("invalid opcode:") => "Bad instruction",
        _ if error.starts_with("stack underflow") => "Stack underflow",
        other => other,
    }
}
