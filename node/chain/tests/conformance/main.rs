//! Ethereum's public blockchain tests through the chain's only door.
//!
//! `ATOLL_CONFORMANCE` names the folder of the suites (ethereum/tests, ethereum/legacytests, execution-spec-tests);
//! without it each test says that it was skipped. `ATOLL_CONFORMANCE_FILTER` limits a run to paths that contain it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod blockchain_test;
#[path = "../../../executor/tests/conformance/fork.rs"]
mod fork;
#[path = "../../../executor/tests/conformance/runner.rs"]
mod runner;

macro_rules! suites {
    ($($name:ident: $folder:literal,)*) => {
        $(#[test]
        fn $name() {
            runner::run($folder, blockchain_test::run_file);
        })*
    };
}

suites! {
    eest_blockchain_tests: "eest-fixtures/blockchain_tests",
    eest_blockchain_tests_devnet: "eest-fixtures/blockchain_tests_devnet",
    ethereum_tests_invalid_blocks: "ethereum-tests/BlockchainTests/InvalidBlocks",
    ethereum_tests_valid_blocks: "ethereum-tests/BlockchainTests/ValidBlocks",
    ethereum_tests_transition_tests: "ethereum-tests/BlockchainTests/TransitionTests",
    ethereum_tests_general_state_tests: "ethereum-tests/BlockchainTests/GeneralStateTests",
    legacy_cancun_invalid_blocks: "ethereum-legacytests/Cancun/BlockchainTests/InvalidBlocks",
    legacy_cancun_valid_blocks: "ethereum-legacytests/Cancun/BlockchainTests/ValidBlocks",
    legacy_cancun_transition_tests: "ethereum-legacytests/Cancun/BlockchainTests/TransitionTests",
    legacy_constantinople_invalid_blocks: "ethereum-legacytests/Constantinople/BlockchainTests/InvalidBlocks",
    legacy_constantinople_valid_blocks: "ethereum-legacytests/Constantinople/BlockchainTests/ValidBlocks",
}
