//! The sealing state machine of proof of work: when to search, which solution counts.

use super::{caches::Epochs, seal, search::SearchJob};
use crate::{Sealer, SealerInput, SealerOutput};
use atoll_primitives::{B64, B256, Header};
use std::sync::Arc;

/// Seals by searching.
pub(super) struct EthashSealer {
    epochs: Arc<Epochs>,
    state: State,
}

enum State {
    Idle,
    /// The header's timestamp leads the clock, as timestamps rise by at least a second a block: searching begins when it no longer
    /// does. Blocks come the more evenly for it, and contracts and clients never see a block from the future.
    Waiting(Box<Header>),
    Searching {
        header: Box<Header>,
        seal_hash: B256,
    },
}

impl EthashSealer {
    pub(super) fn new(epochs: Arc<Epochs>) -> Self {
        Self { epochs, state: State::Idle }
    }

    /// Leaves any search; says so if there was one.
    fn stop(&mut self) -> Vec<SealerOutput> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Searching { .. } => vec![SealerOutput::StopSearch],
            State::Idle | State::Waiting(_) => Vec::new(),
        }
    }

    fn work(&mut self, header: Box<Header>, now: u64) -> Vec<SealerOutput> {
        let (target, epoch) = (seal::target(header.difficulty), super::sizes::epoch(header.number));
        let (Some(target), Some(epoch)) = (target, epoch) else {
            // No nonce can seal such a header; `prepare` makes none.
            return self.stop();
        };
        if header.timestamp > now {
            let outputs = self.stop();
            self.state = State::Waiting(header);
            return outputs;
        }
        let seal_hash = seal::seal_hash(&header);
        let number = header.number;
        self.state = State::Searching { header, seal_hash };
        vec![SealerOutput::Search(SearchJob { seal_hash, target, number, epoch, epochs: Arc::clone(&self.epochs) })]
    }

    fn solution(&mut self, nonce: B64, mix_hash: B256, of: B256) -> Vec<SealerOutput> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Searching { mut header, seal_hash } if seal_hash == of => {
                header.nonce = nonce;
                header.mix_hash = mix_hash;
                vec![SealerOutput::StopSearch, SealerOutput::Sealed(header)]
            }
            // A late answer to work already replaced.
            state => {
                self.state = state;
                Vec::new()
            }
        }
    }
}

impl Sealer for EthashSealer {
    fn step(&mut self, input: SealerInput, now: u64) -> Vec<SealerOutput> {
        match input {
            SealerInput::Work { header } => self.work(header, now),
            SealerInput::Cancel => self.stop(),
            SealerInput::Solution { nonce, mix_hash, seal_hash } => self.solution(nonce, mix_hash, seal_hash),
            SealerInput::Tick => match std::mem::replace(&mut self.state, State::Idle) {
                State::Waiting(header) => self.work(header, now),
                state => {
                    self.state = state;
                    Vec::new()
                }
            },
        }
    }
}
