//! What every sealer answers: a state machine that turns an unsealed header into a sealed one.
//!
//! It knows no thread, socket or clock: whoever runs it feeds inputs with the time and carries out the outputs.

use crate::SearchJob;
use atoll_primitives::{B64, B256, Header};

/// What can happen to a sealer.
#[derive(Debug, Clone)]
pub enum SealerInput {
    /// Seal this header, instead of any before it.
    Work {
        /// Complete but for its seal.
        header: Box<Header>,
    },
    /// Seal nothing.
    Cancel,
    /// A search found a seal.
    Solution {
        /// The nonce.
        nonce: B64,
        /// The mix hash hashimoto gave for it.
        mix_hash: B256,
        /// Which header it seals.
        seal_hash: B256,
    },
    /// Time has passed. Send one at least every second.
    Tick,
}

/// What a sealer asks for.
#[derive(Debug, Clone)]
pub enum SealerOutput {
    /// Search for a seal, instead of any search before it.
    Search(SearchJob),
    /// Search no more.
    StopSearch,
    /// A sealed header: import its block.
    Sealed(Box<Header>),
}

/// A sealing state machine.
pub trait Sealer: Send {
    /// Takes one input at a time (seconds since 1970) and answers with what to do, in order.
    fn step(&mut self, input: SealerInput, now: u64) -> Vec<SealerOutput>;
}
