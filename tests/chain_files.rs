//! Chains as files: the program's `export` and `import`, interrupted, fed by pipes, given bad blocks.

use crate::support::{ATOLL, tools::run, wait_until};
use atoll_chain::{Chain, ChainOptions, file};
use atoll_primitives::{ChainSpec, rlp::Encodable as _};
use atoll_storage::{Storage, StorageOptions};
use serde_json::json;
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
};
use tempfile::TempDir;

// The chain's tests know how to make sealed blocks; a second copy of that would drift from the first.
#[allow(dead_code, missing_docs, reason = "not all of it is used here")]
#[path = "../node/chain/tests/chain/support.rs"]
mod sealed;
use sealed::Node;

/// Blocks of a chain that takes a while to import.
const BLOCKS: u64 = 1_300;

struct Files {
    dir: TempDir,
    genesis: PathBuf,
    node: Node,
}

impl Files {
    /// A chain of this many blocks in memory, with its genesis file.
    fn new(blocks: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let genesis = dir.path().join("genesis.json");
        let mut config = json!({
            "chainId": sealed::CHAIN_ID, "ethash": { "datasetSize": 65_536, "fixeddifficulty": 16 },
            "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0,
        });
        for fork in ["homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg", "istanbul"]
        {
            config[format!("{fork}Block")] = json!(0);
        }
        for fork in ["berlin", "london"] {
            config[format!("{fork}Block")] = json!(0);
        }
        let rich = json!({ "balance": "0x3635c9adc5dea00000" });
        let mut alloc = json!({ sealed::key(0).address().to_string(): rich });
        for system in [
            "0x0000F90827F1C53a10cb7A02335B175320002935",
            "0x000F3df6D732807Ef1319fB7B8bB8522d0Beac02",
            "0x00000961Ef480Eb55e80D19ad83579A64c007002",
            "0x0000BBdDc7CE488642fb579F8B00f3a590007251",
        ] {
            alloc[system] = json!({ "balance": "0x0", "nonce": "0x1", "code": "0x00" });
        }
        let text = json!({
            "config": config, "difficulty": "0x10", "gasLimit": "0x1c9c380", "timestamp": "0x5", "alloc": alloc,
        });
        std::fs::write(&genesis, text.to_string()).unwrap();
        let (data, spec) = (tempfile::tempdir().unwrap(), Arc::new(ChainSpec::from_json(&text.to_string()).unwrap()));
        let storage = Storage::open(data.path(), &spec, StorageOptions::default()).unwrap();
        let engine = atoll_consensus::engine(spec.clone()).unwrap();
        let chain = Chain::open(spec.clone(), storage, engine, ChainOptions::default()).unwrap();
        let node = Node::reopened(data, spec, chain);
        node.mine(blocks as usize, 0);
        Self { dir, genesis, node }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file of the blocks `from..=to`.
    fn write(&self, name: &str, from: u64, to: u64) -> PathBuf {
        let path = self.path(name);
        file::export(&self.node.chain, File::create(&path).unwrap(), from, to, |_| ()).unwrap();
        path
    }

    /// `atoll import` or `export` on the data directory `data`.
    fn command(&self, command: &str, data: &str, files: &[&Path]) -> Command {
        let mut process = Command::new(ATOLL);
        process.arg(command).args(files).arg("--genesis").arg(&self.genesis).arg("--data-dir").arg(self.path(data));
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        process
    }

    fn head(&self, number: u64) -> String {
        format!("the head is {number} {}", self.node.chain.storage().canonical_hash(number).unwrap().unwrap())
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The number before a word: `812 blocks imported` has 812 before `blocks imported`.
fn count(text: &str, word: &str) -> u64 {
    let before = text.split(word).next().unwrap();
    before.trim_end().rsplit(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap_or_else(|_| panic!("{text}"))
}

fn bytes_below(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| {
            if entry.path().is_dir() {
                bytes_below(&entry.path())
            } else {
                entry.metadata().map_or(0, |meta| meta.len())
            }
        })
        .sum()
}

#[test]
fn an_import_that_was_killed_goes_on_where_it_was() {
    let files = Files::new(BLOCKS);
    let chain = files.write("chain.rlp", 0, BLOCKS);
    let mut first = files.command("import", "data", &[&chain]).stderr(Stdio::null()).spawn().unwrap();
    // The journal of blocks grows with every block: a tenth of the file is a tenth of the way, at least.
    let (segments, enough) = (files.path("data").join("chain/segments"), std::fs::metadata(&chain).unwrap().len() / 10);
    wait_until("some blocks are in", || bytes_below(&segments) > enough || first.try_wait().unwrap().is_some());
    first.kill().unwrap();
    assert!(!first.wait().unwrap().success(), "it was too quick to be killed");

    let second = files.command("import", "data", &[&chain]).output().unwrap();
    let text = said(&second);
    assert!(second.status.success(), "{text}");
    let (new, known) = (count(&text, " blocks imported"), count(&text, " were known"));
    assert!(known > 50 && new > 50, "{text}");
    // The block it was killed over may have been on disk and not yet the head: then it was neither.
    assert!([BLOCKS, BLOCKS + 1].contains(&(new + known)), "{text}");
    assert!(text.contains(&files.head(BLOCKS)), "{text}");
}

#[test]
fn ctrl_c_stops_between_batches() {
    let files = Files::new(BLOCKS);
    let chain = files.write("chain.rlp", 0, BLOCKS);
    let process = files.command("import", "data", &[&chain]).spawn().unwrap();
    let (segments, enough) = (files.path("data").join("chain/segments"), std::fs::metadata(&chain).unwrap().len() / 20);
    wait_until("some blocks are in", || bytes_below(&segments) > enough);
    assert!(Command::new("kill").args(["-INT", &process.id().to_string()]).status().unwrap().success());
    let output = process.wait_with_output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(text.contains("goes on from here"), "{text}");
    let text = said(&files.command("import", "data", &[&chain]).output().unwrap());
    assert!(text.contains(&files.head(BLOCKS)), "{text}");
}

#[test]
fn a_bad_block_is_named_with_its_rule() {
    let files = Files::new(6);
    let blocks: Vec<_> = (1..=6)
        .map(|number| {
            let hash = files.node.chain.storage().canonical_hash(number).unwrap().unwrap();
            files.node.chain.storage().block(&hash).unwrap().unwrap().block.clone()
        })
        .collect();
    let mut bad = blocks[3].clone();
    bad.header.gas_used += 1;
    bad.header = files.node.seal(bad.header);
    let hash = bad.header.hash_slow();
    let mut bytes = Vec::new();
    blocks[..3].iter().chain([&bad]).for_each(|block| block.encode(&mut bytes));
    let path = files.path("bad.rlp");
    std::fs::write(&path, bytes).unwrap();
    let output = files.command("import", "data", &[&path]).output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in ["bad.rlp", "block 4", &hash.to_string(), "21001", "21000", &files.head(3)] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    // The good ones of another file still go in.
    let good = files.write("good.rlp", 0, 6);
    run(&mut files.command("import", "data", &[&good]));
    // A file of nobody's chain, by its contents and whatever its name.
    std::fs::write(&path, "{}").unwrap();
    let output = files.command("import", "data", &[&path]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("this is no chain file"), "{}", said(&output));
}

#[test]
fn files_directories_pipes_and_formats() {
    let files = Files::new(9);
    let whole = files.write("whole.rlp", 0, 9);
    run(&mut files.command("import", "one", &[&whole]));

    // Ranges, gzip by name, era1 archives by format.
    let dir = files.path("parts");
    std::fs::create_dir(&dir).unwrap();
    let (first, second) = (dir.join("a.rlp"), dir.join("b.rlp.gz"));
    run(files.command("export", "one", &[&first]).args(["--to", "4"]));
    run(files.command("export", "one", &[&second]).args(["--from", "5", "--to", "7"]));
    assert_eq!(std::fs::read(&second).unwrap()[..2], [0x1f, 0x8b]);
    let archives = files.path("archives");
    run(files.command("export", "one", &[&archives]).args(["--format", "era1", "--network", "test"]));
    let archive = std::fs::read_dir(&archives).unwrap().next().unwrap().unwrap().path();
    let name = archive.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("test-00000-") && name.ends_with(".era1"), "{name}");
    let output = files.command("import", "two", &[&dir, &archive]).output().unwrap();
    let text = said(&output);
    assert!(output.status.success() && text.contains(&files.head(9)), "{text}");
    assert_eq!((count(&text, " blocks imported"), count(&text, " were known")), (9, 9), "{text}");

    // A damaged archive is refused before anything of it is taken.
    let mut bytes = std::fs::read(&archive).unwrap();
    let accumulator = bytes.windows(8).rposition(|at| at == [7, 0, 32, 0, 0, 0, 0, 0]).unwrap();
    bytes[accumulator + 8] ^= 1;
    std::fs::write(&archive, bytes).unwrap();
    let text = said(&files.command("import", "three", &[&archive]).output().unwrap());
    assert!(text.contains("accumulator") && text.contains("0 blocks imported"), "{text}");

    // Through a pipe, export to import.
    let mut export = files.command("export", "two", &[Path::new("-")]).spawn().unwrap();
    let mut import = files.command("import", "four", &[Path::new("-")]);
    let output = import.stdin(export.stdout.take().unwrap()).output().unwrap();
    assert!(export.wait().unwrap().success());
    assert!(said(&output).contains(&files.head(9)), "{}", said(&output));
    // What is exported is the same, byte for byte.
    let again = files.path("again.rlp");
    run(&mut files.command("export", "four", &[&again]));
    assert_eq!(std::fs::read(again).unwrap(), std::fs::read(whole).unwrap());
    let output = files.command("export", "four", &[&files.path("x")]).args(["--from", "4", "--to", "10"]).output();
    assert_eq!(output.unwrap().status.code(), Some(1));
}
