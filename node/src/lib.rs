//! The node: configuration, wiring, shutdown, metrics, reporters.
