//! Blocks, transactions, the chain specification.
