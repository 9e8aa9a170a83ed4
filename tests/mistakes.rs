//! Mistakes users make: each gets one clear error that says what to do.

use crate::support::{ATOLL, network::Network, ports::free_port};
use std::{net::TcpListener, path::Path, process::Command};

/// Runs `atoll up` on a directory; it must fail, and print this.
fn refused(dir: &Path, args: &[&str], expected: &[&str]) {
    let output =
        Command::new(ATOLL).arg("up").arg(format!("--data-dir={}", dir.display())).args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "accepted: {args:?}");
    for part in expected {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let dir = tempfile::tempdir().unwrap();
    refused(dir.path(), &["--rpc-port", &port], &[&port, "--rpc-port", "in use"]);
}

#[test]
fn directory_that_cannot_be_written() {
    refused(Path::new("/proc/atoll"), &[], &["/proc/atoll", "--data-dir"]);
}

#[test]
fn bad_genesis_names_field_and_reason() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.json");
    let genesis = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("genesis/ethash.json")).unwrap();
    std::fs::write(&file, genesis.replacen("\"blockTime\": 2", "\"blockTime\": 0", 1)).unwrap();
    let flag = format!("--genesis={}", file.display());
    refused(&dir.path().join("data"), &[&flag], &["config.ethash.blockTime", "at least 1"]);
    std::fs::write(&file, genesis.replacen("\"chainId\": 1337", "\"chainId\": \"many\"", 1)).unwrap();
    refused(&dir.path().join("data"), &[&flag], &["bad.json", "line"]);
    std::fs::write(&file, "{}").unwrap();
    refused(&dir.path().join("data"), &[&flag], &["`config`", "missing"]);
}

#[test]
fn data_of_another_genesis_and_reset() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("genesis/ethash.json"), dir.path().join("genesis.json"))
        .unwrap();
    refused(dir.path(), &["--gas-limit", "12345678"], &["another genesis", "--reset", "--data-dir"]);
    refused(dir.path(), &["--chain-id", "4242"], &["chain ID 1337", "4242", "--reset", "--data-dir"]);
}

#[test]
fn reset_erases_only_what_is_ours() {
    let dir = tempfile::tempdir().unwrap();
    let precious = dir.path().join("precious.txt");
    std::fs::write(&precious, "mine").unwrap();
    refused(dir.path(), &["--reset"], &["not a data directory of Atoll"]);
    assert!(precious.exists());
}

#[test]
fn a_network_that_runs_already() {
    let network = Network::start_with(&["--miners", "1", "--clients", "0"]);
    let ports: Vec<String> = (0..3).map(|_| free_port().to_string()).collect();
    let args = ["--rpc-port", &ports[0], "--explorer-port", &ports[1], "--stats-port", &ports[2]];
    refused(&network.data_dir(), &args, &["already running", "atoll status"]);
}

#[test]
fn no_miners() {
    let dir = tempfile::tempdir().unwrap();
    refused(dir.path(), &["--miners", "0"], &["--miners 1"]);
}
