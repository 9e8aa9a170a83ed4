//! Benchmarks of the hot paths: `cargo bench -p atoll-benches`. Each measures a path beside the way it is not done, so
//! that the ratio within one run says something on any machine.
