//! Chains as files: RLP blocks one after the other, as `geth export` writes them, also gzipped, and era1 archives.
//! What a file is, its first bytes say, not its name. This folder must not judge blocks: they go through
//! [`Chain::import_many`](crate::Chain::import_many).
//!
//! ```text
//! bytes ──→ source: gzip? era1? RLP? ──→ rlp, era1: one block at a time ──→ import: batches ──→ chain
//! chain ──→ export ──→ rlp, era1
//! ```

mod accumulator;
mod e2store;
mod era1;
mod error;
mod export;
mod import;
mod meter;
mod rlp;
mod source;

pub use accumulator::{HeaderRecord, accumulator_root};
pub use era1::{ERA1_BLOCKS, Era1Summary, verify_era1};
pub use error::{Era1Error, FileError};
pub use export::{export, export_era1};
pub use import::{Imported, import, import_with};
pub use meter::{Meter, Tally};
pub use rlp::BlockReader;
pub use source::{Format, detect};

/// Longest block or record of a file, in bytes: far above what any gas limit in use allows, far below memory.
pub(crate) const MAX_BLOCK: usize = 64 << 20;
