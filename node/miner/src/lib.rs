//! Building blocks and running the sealer.
