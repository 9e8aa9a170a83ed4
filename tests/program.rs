//! The program's own commands: genesis, account, status, export and import.

use crate::support::{ATOLL, call, head, network::Network, tools::run, wait_until};
use serde_json::{Value, json};
use std::{path::PathBuf, process::Command};

fn atoll(args: &[&str]) -> String {
    run(Command::new(ATOLL).args(args))
}

#[test]
fn genesis_file_in_the_repository_is_what_the_flags_make() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("genesis/ethash.json");
    assert_eq!(std::fs::read_to_string(path).unwrap().trim(), atoll(&["genesis", "new"]));
}

#[test]
fn genesis_of_public_networks_have_their_known_hashes() {
    let Some(dir) = std::env::var_os("ATOLL_CONFORMANCE").map(PathBuf::from) else {
        println!("SKIPPED: ATOLL_CONFORMANCE is not set");
        return;
    };
    // These files carry no config: they are recognised. Fork IDs of block 0 are EIP-2124's and geth's.
    for (name, hash, fork_id) in [
        ("mainnet", "0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3", "0xfc64ec04"),
        ("sepolia", "0x25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9", "0xfe3366e7"),
        ("holesky", "0xb5f7f912443c940f21fd611f12828d75b534364ed9e95ca4e307729a4661bde4", "0xc61a6098"),
    ] {
        let file = dir.join("reth/genesis").join(name).with_extension("json");
        let shown: Value =
            serde_json::from_str(&atoll(&["genesis", "show", "--json", file.to_str().unwrap()])).unwrap();
        assert_eq!((&shown["hash"], &shown["forkId"]["hash"]), (&json!(hash), &json!(fork_id)), "{name}");
    }
}

#[test]
fn new_account_is_private_and_never_overwritten() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    let address = atoll(&["account", "new", "-o", file.to_str().unwrap()]);
    assert!(address.starts_with("0x") && address.len() == 42, "{address}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let again = Command::new(ATOLL).args(["account", "new", "-o", file.to_str().unwrap()]).output().unwrap();
    assert!(!again.status.success());
}

#[test]
fn status_tells_of_every_process() {
    let network = Network::start();
    let dir = format!("--data-dir={}", network.data_dir().display());
    wait_until("everything is well", || Command::new(ATOLL).args(["status", &dir]).output().unwrap().status.success());
    let status: Value = serde_json::from_str(&atoll(&["status", &dir, "--json"])).unwrap();
    let names: Vec<&str> =
        status["processes"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    for name in ["registry", "stats", "miner-1", "miner-2", "client-1", "explorer", "balancer"] {
        assert!(names.contains(&name), "{names:?}");
    }
    wait_until("the nodes have found each other", || {
        let status: Value = serde_json::from_str(&atoll(&["status", &dir, "--json"])).unwrap();
        status["processes"].as_array().unwrap().iter().any(|row| row["peers"].as_u64() >= Some(2))
    });
    for line in [
        "JSON-RPC",
        "Explorer",
        "Stats",
        "Chain ID",
        "Network ID",
        "UNSAFE",
        "Ctrl-C",
        "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    ] {
        assert!(network.output().contains(line), "{line} is not in the summary:\n{}", network.output());
    }
}

#[test]
fn a_chain_can_be_exported_and_imported() {
    let mut network =
        Network::start_with(&["--miners", "1", "--clients", "0", "--explorer", "false", "--stats", "false"]);
    let rpc = network.url("rpc");
    wait_until("there are blocks", || head(&rpc) >= Some(3));
    let block = call(&rpc, "eth_getBlockByNumber", json!(["0x2", false]))["hash"].clone();
    assert!(network.interrupt().success());
    let dir = network.data_dir();
    let (genesis, file, copy) = (dir.join("genesis.json"), dir.join("chain.rlp"), dir.join("copy"));
    let command = |command: &str, data: PathBuf, file: &PathBuf| {
        run(Command::new(ATOLL).arg(command).arg(file).arg("--genesis").arg(&genesis).arg("--data-dir").arg(data));
    };
    command("export", dir.join("miner-1"), &file);
    command("import", copy.clone(), &file);
    let again = dir.join("again.rlp");
    command("export", copy.clone(), &again);
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(std::fs::read(&again).unwrap(), bytes);
    // The copy is sound, also after its tables were lost and made again.
    let db = |args: &[&str]| {
        run(Command::new(ATOLL).arg("db").args(args).arg("--genesis").arg(&genesis).arg("--data-dir").arg(&copy))
    };
    assert!(db(&["verify"]).contains("the data directory is sound"));
    assert!(db(&["rebuild"]).contains("nothing to make again"));
    std::fs::remove_dir_all(copy.join("chain/tables")).unwrap();
    assert!(db(&["rebuild"]).contains("made again up to block"));
    assert!(db(&["verify"]).contains("the data directory is sound"));
    command("export", copy.clone(), &again);
    assert_eq!(std::fs::read(&again).unwrap(), bytes);
    assert!(!bytes.is_empty() && block.is_string());
}
