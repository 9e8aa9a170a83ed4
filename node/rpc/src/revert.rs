//! The reason inside revert data, which the executor reads.

pub(crate) use atoll_executor::revert_reason as reason;
