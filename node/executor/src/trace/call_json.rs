//! callTracer's answer: frames inside frames. Written without recursion, since calls nest 1024 deep.

use super::{
    frames::{Frame, FrameLog},
    words::REVERTED,
};
use crate::revert_reason;
use atoll_primitives::{Address, B256, Bytes, U256, primitives::U64};
use revm::bytecode::opcode::OpCode;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FrameJson<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    from: Address,
    gas: U64,
    gas_used: U64,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Address>,
    input: &'a Bytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revert_reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logs: Vec<LogJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<U256>,
}

#[derive(Serialize)]
struct LogJson<'a> {
    address: Address,
    topics: &'a [B256],
    data: &'a Bytes,
    position: U64,
    index: U64,
}

impl<'a> From<&'a FrameLog> for LogJson<'a> {
    fn from(entry: &'a FrameLog) -> Self {
        let (position, index) = (U64::from(entry.position), U64::from(entry.index));
        Self { address: entry.log.address, topics: entry.log.topics(), data: &entry.log.data.data, position, index }
    }
}

/// An opcode's name.
pub(super) fn kind(op: u8) -> &'static str {
    OpCode::new(op).map_or("INVALID", OpCode::as_str)
}

impl<'a> FrameJson<'a> {
    /// `failed` says whether the frame or one around it failed: its logs are gone.
    fn new(frame: &'a Frame, failed: bool) -> Self {
        let reverted = frame.error.as_deref() == Some(REVERTED);
        Self {
            kind: kind(frame.kind),
            from: frame.from,
            gas: U64::from(frame.gas),
            gas_used: U64::from(frame.gas_used),
            to: frame.to,
            input: &frame.input,
            output: (!frame.output.is_empty()).then_some(&frame.output),
            error: frame.error.as_deref(),
            revert_reason: if reverted { revert_reason(&frame.output).filter(|text| !text.is_empty()) } else { None },
            logs: if failed { Vec::new() } else { frame.logs.iter().map(LogJson::from).collect() },
            value: frame.value,
        }
    }
}

/// The answer for these frames; `{}` when there are none.
pub(super) fn render(frames: &[Frame]) -> Result<Vec<u8>, serde_json::Error> {
    let Some(first) = frames.first() else { return Ok(b"{}".to_vec()) };
    let mut out = Vec::new();
    // The frame, its next child, whether its logs are gone.
    let mut path = vec![(first, 0_usize, first.error.is_some())];
    open(&mut out, first, first.error.is_some())?;
    while let Some((frame, next, failed)) = path.last_mut() {
        let Some(child) = frame.children.get(*next).and_then(|child| frames.get(*child)) else {
            out.extend_from_slice(if frame.children.is_empty() { b"}" } else { b"]}" });
            path.pop();
            continue;
        };
        out.extend_from_slice(if *next == 0 { b",\"calls\":[" } else { b"," });
        *next += 1;
        let failed = *failed || child.error.is_some();
        open(&mut out, child, failed)?;
        path.push((child, 0, failed));
    }
    Ok(out)
}

/// A frame's own fields, without the closing brace.
fn open(out: &mut Vec<u8>, frame: &Frame, failed: bool) -> Result<(), serde_json::Error> {
    serde_json::to_writer(&mut *out, &FrameJson::new(frame, failed))?;
    out.pop();
    Ok(())
}
