//! Proof of work: ethash as an [`Engine`](crate::Engine).
//!
//! It must not know who builds blocks, nor threads: searching is a function over a range of nonces.

mod algorithm;
mod caches;
mod engine;
mod seal;
mod sealer;
mod search;
mod sizes;
#[cfg(test)]
mod tests;

pub use algorithm::{Cache, Dataset, Hashimoto, hashimoto_full, hashimoto_light, hashimoto_light_many};
pub use engine::Ethash;
pub use search::{SearchJob, Searcher, Solution};
pub use sizes::{cache_size, dataset_size, epoch, seed_hash};
