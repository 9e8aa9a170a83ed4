//! Ethereum's public state tests, and the execution part of its blockchain tests, against this room.
//!
//! `ATOLL_CONFORMANCE` names the folder of the suites (ethereum/tests, ethereum/legacytests, execution-spec-tests);
//! without it each test says that it was skipped. `ATOLL_CONFORMANCE_FILTER` limits a run to paths that contain it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod blockchain_test;
mod chain_spec;
mod fork;
mod memory;
mod runner;
mod state_test;

macro_rules! suites {
    ($run:path, $($name:ident: $folder:literal,)*) => {
        $(#[test]
        fn $name() {
            runner::run($folder, $run);
        })*
    };
}

suites! {
    state_test::run_file,
    eest_state_tests: "eest-fixtures/state_tests",
    ethereum_tests_general_state_tests: "ethereum-tests/GeneralStateTests",
    legacy_cancun_general_state_tests: "ethereum-legacytests/Cancun/GeneralStateTests",
    legacy_constantinople_general_state_tests: "ethereum-legacytests/Constantinople/GeneralStateTests",
}

suites! {
    blockchain_test::run_file,
    eest_blockchain_tests: "eest-fixtures/blockchain_tests",
    eest_blockchain_tests_devnet: "eest-fixtures/blockchain_tests_devnet",
    ethereum_tests_blockchain_tests: "ethereum-tests/BlockchainTests",
    legacy_constantinople_blockchain_tests: "ethereum-legacytests/Constantinople/BlockchainTests",
    legacy_cancun_blockchain_tests: "ethereum-legacytests/Cancun/BlockchainTests",
}
