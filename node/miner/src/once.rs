//! Mining one block at once, for development: real work under the chain's own rules, by the calling thread at full
//! speed. It must not know why.

use crate::{
    MinerError, MinerHandle,
    build::{Contents, build},
    settings::{Shared, now},
};
use atoll_chain::{Import, Origin};
use atoll_consensus::{SealerInput, SealerOutput, SearchJob};
use atoll_primitives::{B256, Block, Header};
use std::time::{Duration, Instant};

/// Seconds a block's timestamp may lead the clock: timestamps rise by at least a second a block, and a test that asks for some
/// blocks in a row need not wait for each. Far below the 15 s at which others refuse a block.
const MAX_LEAD: u64 = 3;
/// How long one block may take. Blocks quicker than one a second run ahead of the clock and then wait for it.
const DEADLINE: Duration = Duration::from_secs(60);
/// Nonces between two looks at the clock and the head.
const BATCH: u64 = 4096;
/// Pause while the clock has to catch up.
const PAUSE: Duration = Duration::from_millis(20);

/// A block that was mined on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mined {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
}

impl MinerHandle {
    /// Mines one block with the pool's transactions and returns when it is the head. If another block comes first,
    /// it starts over on top of that one. Not for a tokio worker; a second call waits for the first.
    ///
    /// # Errors
    /// The engine has no proof of work, the block cannot be built or is refused, or a minute was not enough.
    pub fn mine_once(&self) -> Result<Mined, MinerError> {
        let shared = self.shared();
        let started = Instant::now();
        let alone = shared.mining_once.try_lock_for(DEADLINE);
        let _alone = alone.ok_or_else(|| MinerError::NotInTime { waited: started.elapsed() })?;
        while started.elapsed() < DEADLINE && !shared.is_stopping() {
            if let Some(mined) = attempt(shared, started)? {
                return Ok(mined);
            }
        }
        Err(MinerError::NotInTime { waited: started.elapsed() })
    }
}

/// One block on the present head; `None` if the head moved on or time ran out.
fn attempt(shared: &Shared, started: Instant) -> Result<Option<Mined>, MinerError> {
    let settings = shared.settings.lock().clone();
    let head = shared.chain.head();
    let block = build(shared, &settings, &head, Vec::new(), Contents::FromPool, now())?;
    let over = || started.elapsed() >= DEADLINE || shared.is_stopping() || shared.chain.head().hash != head.hash;
    while block.block.header().timestamp > now() + MAX_LEAD {
        if over() {
            return Ok(None);
        }
        std::thread::sleep(PAUSE);
    }
    let Some(header) = seal(shared, block.block.header().clone(), &over)? else { return Ok(None) };
    let block = Block { header, body: block.block.block.body.clone() };
    let mined = Mined { number: block.header.number, hash: block.header.hash_slow() };
    match shared.chain.import(block, Origin::Own) {
        Ok(Import::Canonical) => Ok(Some(mined)),
        Ok(Import::SideChain | Import::AlreadyKnown) => Ok(None),
        Err(error) => Err(MinerError::Refused { number: mined.number, source: Box::new(error) }),
    }
}

/// Drives a sealer of its own until the header is sealed or `over`.
fn seal(shared: &Shared, header: Header, over: &dyn Fn() -> bool) -> Result<Option<Header>, MinerError> {
    let mut sealer = shared.chain.engine().sealer()?;
    // It has waited for the clock as long as it has to.
    let at = header.timestamp.max(now());
    let mut outputs = sealer.step(SealerInput::Work { header: Box::new(header) }, at);
    while !over() {
        let Some(output) = outputs.pop() else { return Ok(None) };
        match output {
            SealerOutput::Sealed(header) => return Ok(Some(*header)),
            SealerOutput::StopSearch => {}
            SealerOutput::Search(job) => {
                let Some(input) = search(&job, over) else { return Ok(None) };
                outputs = sealer.step(input, at);
            }
        }
    }
    Ok(None)
}

fn search(job: &SearchJob, over: &dyn Fn() -> bool) -> Option<SealerInput> {
    let searcher = job.searcher();
    let mut start: u64 = rand::random();
    while !over() {
        if let Some(found) = searcher.search(start, BATCH) {
            let (nonce, mix_hash, seal_hash) = (found.nonce, found.mix_hash, found.seal_hash);
            return Some(SealerInput::Solution { nonce, mix_hash, seal_hash });
        }
        start = start.wrapping_add(BATCH);
    }
    None
}
