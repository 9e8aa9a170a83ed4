//! Block execution and tracing over revm.
