//! Limits of a trace: what the request asks for, capped by what the node allows; and how a failed trace is worded.

use crate::{RpcError, context::Node};
use alloy_rpc_types_eth::{BlockOverrides, state::StateOverride};
use atoll_executor::{TraceError, TraceLimits, TraceOptions};
use serde::Deserialize;
use std::time::{Duration, Instant};

/// Options of `debug_traceCall`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CallTraceOptions {
    #[serde(flatten)]
    pub(super) trace: TraceOptions,
    pub(super) state_overrides: Option<StateOverride>,
    pub(super) block_overrides: Option<BlockOverrides>,
    /// The call runs after this many transactions of the block, not after all of them.
    pub(super) tx_index: Option<alloy_rpc_types_eth::Index>,
}

impl Node {
    /// Limits of a trace that starts now.
    pub(crate) fn trace_limits(&self, options: &TraceOptions) -> Result<TraceLimits, RpcError> {
        let cap = self.config.trace_timeout;
        let asked = options.timeout.as_deref().filter(|text| !text.is_empty());
        let timeout = match asked {
            Some(text) => duration(text).ok_or_else(|| RpcError::InvalidArgument {
                index: 1,
                reason: format!("invalid timeout {:?}", text.chars().take(32).collect::<String>()),
            })?,
            None => cap,
        };
        Ok(TraceLimits {
            deadline: Some(Instant::now() + timeout.min(cap)),
            max_bytes: Some(self.config.trace_limit_bytes),
            javascript: self.config.js_tracers,
        })
    }
}

/// A failed trace as JSON-RPC words it.
pub(crate) fn trace_error(node: &Node, error: TraceError) -> RpcError {
    match error {
        TraceError::Call(error) => node.call_error(error),
        error => RpcError::Trace(Box::new(error)),
    }
}

/// A duration in Go's notation: decimal numbers with units, such as `1m30s` or `1.5h`.
fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit_len = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        let scale = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_written_as_in_go() {
        assert_eq!(duration("5s"), Some(Duration::from_secs(5)));
        assert_eq!(duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(duration("1.5h"), Some(Duration::from_secs(5400)));
        assert_eq!(duration("300ms"), Some(Duration::from_millis(300)));
        assert_eq!(duration("0"), Some(Duration::ZERO));
        for wrong in ["5", "s", "-1s", "1x", "1e400s", "..s", "é"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
