//! Mining: building blocks on the head, searching for their seals, submitting them.
//!
//! A thread of its own runs the engine's sealer ([`atoll_consensus::Sealer`]); search threads lend it a share of the
//! CPU. This room must not know sockets or JSON, and a block it seals enters the chain by `chain.import` alone.
//!
//! ```text
//! chain events, pool, ticks ──→ worker ──build──→ template ──→ sealer ──→ search threads
//!                                  ↑                                          │
//!                                  └──────── chain.import ←── sealed ←────────┘
//! ```

mod arrivals;
mod build;
mod config;
mod error;
mod handle;
mod ommers;
mod once;
mod search;
mod settings;
mod work;
mod worker;

pub use build::PendingBlock;
pub use config::MinerConfig;
pub use error::MinerError;
pub use handle::{Miner, MinerHandle};
pub use once::Mined;
pub use work::{SubmitError, WorkPackage};
