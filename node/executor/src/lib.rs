//! Block execution and tracing over revm: a parent state and a block in, receipts, state changes and gas out.
//!
//! Everything is a function of its arguments: this room never writes to disk, never opens a socket and knows no
//! consensus rules (rewards arrive as amounts). Nothing here is asynchronous; callers on a tokio worker use
//! `spawn_blocking`.

mod addresses;
mod block;
mod builder;
mod call;
mod code_cache;
mod collision;
mod env;
mod error;
mod evm;
mod output;
mod overlay;
mod receipts;
mod revert;
mod simulate;
mod state_db;
mod system;
#[cfg(test)]
mod testing;
mod trace;
mod tx_error;

pub use addresses::{block_addresses, is_precompile};
pub use block::{RootFn, execute_block, execute_block_ahead, execute_transaction};
pub use builder::{BlockBuilder, BuildError, BuiltBlock, TxResult};
pub use call::{
    AccessListOutcome, CallEnv, CallError, CallLimits, CallOutcome, CallResult, OverrideError, call,
    create_access_list, estimate_gas,
};
pub use env::{evm_env, spec_id};
pub use error::{BoxError, ExecutionError};
pub use output::{BlockOutput, OutputMismatch, validate_output};
pub use overlay::Overlay;
pub use revert::revert_reason;
pub use revm::DatabaseRef;
pub use simulate::{
    SimulateBlock, SimulateEnv, SimulateError, SimulateOverrides, SimulatedBlock, SimulatedCall, simulate,
};
pub use state_db::{StateDb, StateDbError};
pub use trace::{
    Frame, FrameLog, TraceError, TraceLimits, TraceOptions, TraceTypes, TxTrace, intermediate_roots, parity_calls,
    parity_replay, parity_traces, state_within, trace_block, trace_block_frames, trace_call, trace_frames,
    trace_transaction,
};
pub use tx_error::{Skip, TxError};
