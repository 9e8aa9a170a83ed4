//! Tests of the tries.
