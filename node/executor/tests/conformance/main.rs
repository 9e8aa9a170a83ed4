//! Ethereum's public state tests against this room.
//!
//! `ATOLL_CONFORMANCE` names the folder of the suites (ethereum/tests, ethereum/legacytests, execution-spec-tests);
//! without it each test says that it was skipped. `ATOLL_CONFORMANCE_FILTER` limits a run to paths that contain it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod fork;
mod memory;
mod runner;
mod state_test;

macro_rules! suites {
    ($($name:ident: $folder:literal,)*) => {
        $(#[test]
        fn $name() {
            runner::run($folder, state_test::run_file);
        })*
    };
}

suites! {
    eest_state_tests: "eest-fixtures/state_tests",
    ethereum_tests_general_state_tests: "ethereum-tests/GeneralStateTests",
    legacy_cancun_general_state_tests: "ethereum-legacytests/Cancun/GeneralStateTests",
    legacy_constantinople_general_state_tests: "ethereum-legacytests/Constantinople/GeneralStateTests",
}
