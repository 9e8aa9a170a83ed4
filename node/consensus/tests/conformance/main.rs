//! The public conformance material against this room's rules, seals and formulas.
//!
//! It is read from the directory that `ATOLL_CONFORMANCE` names; without it the tests say so and pass, so that a
//! fresh checkout needs no download. Nothing is executed here: state roots and receipts are not judged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod blockchain;
mod chains;
mod difficulty;
mod ethash;
mod support;
