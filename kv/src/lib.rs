//! The key-value seam and its engines.
