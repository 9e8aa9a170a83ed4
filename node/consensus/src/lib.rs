//! Consensus engines: header rules, seals, rewards, fork choice.
