//! Import, fork choice, reorganisations, events: the only door to the canonical chain.
