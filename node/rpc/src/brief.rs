//! Calls of microseconds, executed where they are asked for: to change threads and back would cost more than they do. It must
//! not know what they compute.
//!
//! Most calls read a balance or a price. Which ones do cannot be told beforehand, so each is tried with little work allowed; one
//! that is more begins again in a thread of its own, and its like are not tried for a while.

use crate::{RpcError, context::Node};
use alloy_rpc_types_eth::{BlockId, TransactionRequest};
use atoll_executor::CallLimits;
use atoll_primitives::primitives::TxKind;
use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// The most work of such a call, in gas: some tenths of a millisecond, unless the disk has to be waited for.
const BRIEF: u64 = 100_000;
/// The longest input of such a call, in bytes: it is copied and scanned before the first instruction.
const INPUT: usize = 16 << 10;
/// A call that took as long lets the worker's other tasks go first: a batch is one task, and could hold thousands.
const POLITE: Duration = Duration::from_micros(20);
/// How long the like of a call that was long is not tried, in seconds.
const FORGOTTEN_AFTER: u64 = 2;
/// Calls remembered; two that share a place forget each other.
const PLACES: usize = 1024;
/// Bits of a place that hold the second; the others are the call's.
const SECONDS: u64 = u32::MAX as u64;

/// Which calls were long of late: by method, contract and function.
pub(crate) struct LongCalls {
    started: Instant,
    hasher: RandomState,
    places: Box<[AtomicU64]>,
}

impl Default for LongCalls {
    fn default() -> Self {
        let places = std::iter::repeat_with(AtomicU64::default).take(PLACES).collect();
        Self { started: Instant::now(), hasher: RandomState::new(), places }
    }
}

impl LongCalls {
    fn digest(&self, method: &str, request: &TransactionRequest) -> u64 {
        let selector = request.input.input().and_then(|input| input.first_chunk::<4>());
        self.hasher.hash_one((method, request.to, selector))
    }

    /// Seconds since the start, from 1 on: no place is taken at 0.
    fn now(&self) -> u64 {
        (self.started.elapsed().as_secs() + 1) & SECONDS
    }

    fn place(&self, digest: u64) -> &AtomicU64 {
        // The lower bits, which the entry leaves out.
        &self.places[digest as usize % PLACES]
    }

    fn contains(&self, digest: u64) -> bool {
        let entry = self.place(digest).load(Ordering::Relaxed);
        entry & !SECONDS == digest & !SECONDS
            && entry & SECONDS != 0
            && self.now().saturating_sub(entry & SECONDS) < FORGOTTEN_AFTER
    }

    fn insert(&self, digest: u64) {
        self.place(digest).store(digest & !SECONDS | self.now(), Ordering::Relaxed);
    }
}

impl Node {
    /// The answer of a call that is over at once; `None` where it has to be [executed](Node::executing).
    ///
    /// # Errors
    /// Those of `work`, but for running out of it.
    pub(crate) async fn briefly<T>(
        &self,
        method: &str,
        request: &TransactionRequest,
        block: Option<BlockId>,
        work: impl FnOnce(&Self, CallLimits) -> Result<T, RpcError>,
    ) -> Option<Result<T, RpcError>> {
        // The pending block may have to be built first.
        if block.is_some_and(|block| block.is_pending()) || !is_light(request) {
            return None;
        }
        let digest = self.long_calls.digest(method, request);
        if self.long_calls.contains(digest) {
            return None;
        }
        let begun = Instant::now();
        let limits = CallLimits { work: Some(BRIEF), ..self.call_limits() };
        let answer = self.quick(|node| work(node, limits));
        if begun.elapsed() > POLITE {
            tokio::task::yield_now().await;
        } else {
            tokio::task::coop::consume_budget().await;
        }
        if matches!(answer, Err(RpcError::Timeout { .. })) {
            self.long_calls.insert(digest);
            return None;
        }
        Some(answer)
    }
}

/// Whether a call has little work before its first instruction, which is not counted: every authorization is a signature to
/// recover, an access list names what to read, the code of a creation is searched for jumps.
fn is_light(request: &TransactionRequest) -> bool {
    let is_call = matches!(request.to, Some(TxKind::Call(_)));
    let has_lists = request.access_list.as_ref().is_some_and(|list| !list.is_empty())
        || request.authorization_list.is_some()
        || request.blob_versioned_hashes.is_some()
        || request.sidecar.is_some();
    let input = request.input.input().map_or(0, |input| input.len());
    is_call && !has_lists && input <= INPUT
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use atoll_primitives::{Address, hex};

    fn request(to: u8, input: &'static [u8]) -> TransactionRequest {
        TransactionRequest::default().to(Address::with_last_byte(to)).input(input.to_vec().into())
    }

    #[test]
    fn long_calls_are_known_by_method_contract_and_function() {
        let calls = LongCalls::default();
        let long = calls.digest("eth_call", &request(1, &hex!("01020304aa")));
        assert!(!calls.contains(long));
        calls.insert(long);
        assert!(calls.contains(long));
        // Other arguments, the same function.
        assert!(calls.contains(calls.digest("eth_call", &request(1, &hex!("01020304bb")))));
        assert!(!calls.contains(calls.digest("eth_call", &request(1, &hex!("01020305aa")))));
        assert!(!calls.contains(calls.digest("eth_call", &request(2, &hex!("01020304aa")))));
        assert!(!calls.contains(calls.digest("eth_estimateGas", &request(1, &hex!("01020304aa")))));
    }

    #[test]
    fn what_is_work_before_the_first_instruction_is_not_light() {
        let light = request(1, &[0; INPUT]);
        assert!(is_light(&light));
        assert!(!is_light(&request(1, &[0; INPUT + 1])));
        let heavy = |change: fn(&mut TransactionRequest)| {
            let mut request = light.clone();
            change(&mut request);
            assert!(!is_light(&request), "{request:?}");
        };
        heavy(|request| request.to = None);
        heavy(|request| request.to = Some(TxKind::Create));
        heavy(|request| request.access_list = Some(vec![Default::default()].into()));
        heavy(|request| request.authorization_list = Some(Vec::new()));
        heavy(|request| request.blob_versioned_hashes = Some(Vec::new()));
    }

    #[test]
    fn long_calls_are_forgotten() {
        let mut calls = LongCalls::default();
        let long = calls.digest("eth_call", &request(1, &[]));
        calls.insert(long);
        calls.started -= Duration::from_secs(FORGOTTEN_AFTER);
        assert!(!calls.contains(long));
    }
}
