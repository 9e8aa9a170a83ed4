//! The suites, in the order in which they may take files.

mod abi;
mod basic;
mod besu_rpc;
mod blockchain_test;
mod chain_files;
mod debug_geth;
mod difficulty;
mod era;
mod ethash;
mod execution_apis;
mod fixtures;
mod fork_id;
mod genesis;
mod graphql;
mod headers;
mod keys;
mod no_engine;
mod rlp;
mod state_test;
mod tracers;
mod transaction_test;
mod trie;
mod vm_test;

use crate::Suite;

/// All suites. One that takes by folder stands before those that take by format.
pub(crate) const SUITES: &[Suite] = &[
    execution_apis::SUITE,
    besu_rpc::SUITE,
    graphql::SUITE,
    tracers::SUITE,
    debug_geth::SUITE,
    ethash::SUITE,
    difficulty::SUITE,
    rlp::SUITE,
    abi::SUITE,
    keys::SUITE,
    trie::SUITE,
    basic::SUITE,
    fork_id::SUITE,
    // It looks for the networks' genesis files, which the next one takes.
    era::SUITE,
    genesis::SUITE,
    headers::SUITE,
    chain_files::SUITE,
    no_engine::SUITE,
    fixtures::SUITE,
];

/// Folders within a suite that are worth a row of their own.
const ROWS: [&str; 4] = ["GeneralStateTests", "InvalidBlocks", "ValidBlocks", "TransitionTests"];

/// The name of a file's suite in the table: its folders up to the one that says what kind of tests they are
/// (`GeneralStateTests`, `state_tests`), or else the first two.
pub(crate) fn row(path: &str) -> String {
    let folders: Vec<&str> = path.rsplit_once('/').map_or("", |(folders, _)| folders).split('/').collect();
    let kind = |name: &&str| name.ends_with("Tests") || name.contains("_tests") || *name == "tests";
    let mut count = folders.iter().position(kind).map_or(folders.len().min(2), |at| at + 1);
    if folders.get(count).is_some_and(|next| ROWS.contains(next)) {
        count += 1;
    }
    folders[..count].join("/")
}

#[cfg(test)]
mod tests {
    use super::row;

    #[test]
    fn a_row_ends_where_the_kind_of_tests_is_named() {
        for (path, expected) in [
            ("a/Cancun/BlockchainTests/InvalidBlocks/bcX/y.json", "a/Cancun/BlockchainTests/InvalidBlocks"),
            ("a/GeneralStateTests/stX/y.json", "a/GeneralStateTests"),
            ("eest-fixtures/blockchain_tests_devnet/for_osaka/y.json", "eest-fixtures/blockchain_tests_devnet"),
            ("hive/sync/deep/chain.rlp", "hive/sync"),
            ("README.txt", ""),
        ] {
            assert_eq!(row(path), expected);
        }
    }
}
