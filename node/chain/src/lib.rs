//! Import, fork choice, reorganisations, events: the only door to the canonical chain.
//!
//! A block passes stages, each a type that only the stage before can produce:
//!
//! ```text
//! Block ─ check ─→ Checked ─ recover ─→ Recovered ─ execute ─→ Executed ─ commit ─→ canonical or side chain
//!        header rules,       senders       receipts, state,      storage, fork
//!        seal, body                        all roots             choice, event
//! ```
//!
//! One writer at a time imports; readers clone the handle. This room must not know sockets, JSON or the
//! transaction pool, and every call may take CPU time and disk: never on a tokio worker.

mod addresses;
mod bad;
mod batch;
mod chain;
mod check;
mod commit;
mod deep;
mod error;
mod event;
mod execute;
pub mod file;
mod flush;
mod rebuild;
mod restore;
mod rewind;
mod side;

pub use addresses::{AddressIndex, AddressIndexError, AddressPage, Direction};
pub use bad::BadBlock;
pub use batch::BatchError;
pub use chain::{Chain, ChainOptions, SenderLookup};
pub use error::{ChainError, ImportError, InternalError, InvalidBlock};
pub use event::{ChainEvent, HeadChange, Import, Origin};
pub use rebuild::rebuild;
pub use rewind::RewindError;
