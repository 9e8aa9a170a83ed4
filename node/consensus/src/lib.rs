//! Consensus engines: header rules, difficulty, seals, rewards, fork choice.
//!
//! Everything here is a function of a header, its ancestors and the time the caller names. This room must not
//! know disks, sockets, the clock, the EVM or how blocks are built; `chain` decides what to do with a verdict.

mod beacon;
mod body;
mod difficulty;
mod engine;
mod error;
mod ethash;
mod ommers;
mod rewards;
mod rules;
mod sealer;

pub use difficulty::{EMA_BLOCKS, MIN_TARGET_DIFFICULTY, difficulty};
pub use engine::{Engine, SEAL_GROUP, engine};
pub use error::ConsensusError;
pub use ethash::{
    Cache, Dataset, Ethash, Hashimoto, SearchJob, Searcher, Solution, cache_size, dataset_size, epoch, hashimoto_full,
    hashimoto_light, hashimoto_light_many, seed_hash,
};
pub use ommers::{MAX_OMMER_DEPTH, MAX_OMMERS, check_ommers};
pub use rules::{FUTURE_TOLERANCE, MAX_EXTRA_DATA};
pub use sealer::{Sealer, SealerInput, SealerOutput};
