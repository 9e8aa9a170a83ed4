//! Whole chains in files: every folder that holds a genesis file and files of concatenated blocks. They are imported
//! with their seals checked, unless no block of the chain has one.
//!
//! What a folder's other files say is checked too: `headfcu.json` names the head, `blocks_N_td_T.rlp` the difficulty
//! that its N blocks add up to (several such files are branches of one chain, between which total difficulty decides),
//! `fork-X.blocks` follows `common.blocks` over `genesis-X.json`, and block 1 of `badpow.blocks` must be refused.

use super::fixtures::guarded;
use crate::{
    File, Files, Job, Reason, Recorder, Skip, Suite,
    chains::{TemporaryChain, decode_blocks, explain, import},
    json::Fields,
    rule::{self, Rule},
};
use atoll_chain::Chain;
use atoll_primitives::{B64, Block, ChainSpec, EngineConfig, U256};
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};

pub const SUITE: Suite = Suite { name: "chains", discover };

/// Endings of files of concatenated blocks.
const BLOCKS: [&str; 3] = [".rlp", ".blocks", ".bin"];
/// What stands beside a chain for other clients' harnesses.
const COMPANIONS: [&str; 5] = ["forkenv.json", "headblock.json", "headfcu.json", "headnewpayload.json", "case.json"];

fn is_chain(file: &File) -> bool {
    BLOCKS.iter().any(|end| file.name().ends_with(end))
}

fn is_genesis(file: &File) -> bool {
    file.name().ends_with(".json") && file.text().is_ok_and(|text| text.contains("\"alloc\""))
}

fn discover(files: &mut Files) -> Vec<Job> {
    let folders: BTreeSet<String> =
        files.iter().filter(|file| is_chain(file)).map(|file| file.folder().to_owned()).collect();
    let mut jobs = Vec::new();
    for folder in folders {
        let beside = |file: &File| file.folder() == folder;
        let geneses: Vec<File> = files.iter().filter(|file| beside(file) && is_genesis(file)).cloned().collect();
        if geneses.is_empty() {
            continue;
        }
        let chains = files.take(|file| beside(file) && is_chain(file));
        let others = files.take(|file| beside(file) && (is_genesis(file) || COMPANIONS.contains(&file.name())));
        let folder = Folder { geneses, chains, others };
        let covered: Vec<File> = folder.chains.iter().chain(&folder.others).cloned().collect();
        let path = covered.first().map(|file| file.folder().to_owned()).unwrap_or_default();
        // A seal costs as much as a hundred kilobytes of JSON.
        let weight = folder.chains.iter().map(|file| file.bytes * 200).sum();
        let job = Job::covering(super::row(&covered[0].path), path, &covered, move |recorder| folder.run(recorder));
        jobs.push(job.weighing(weight));
    }
    jobs
}

struct Folder {
    geneses: Vec<File>,
    chains: Vec<File>,
    others: Vec<File>,
}

impl Folder {
    fn run(&self, recorder: &mut Recorder<'_>) {
        let common = self.chains.iter().find(|file| file.name().starts_with("common."));
        for file in self.chains.iter().filter(|file| Some(file.name()) != common.map(File::name)) {
            if !recorder.wants(&file.path) {
                continue;
            }
            recorder.at(&file.path);
            let genesis = self.genesis_of(file);
            match engine_is_missing(genesis) {
                Ok(true) => {
                    recorder.skip("-", file.name(), Skip::NoEngine);
                    continue;
                }
                Ok(false) => {}
                Err(reason) => {
                    recorder.record("-", file.name(), Err(reason));
                    continue;
                }
            }
            recorder.record("-", file.name(), guarded(|| self.check(genesis, common, file)));
        }
        let mut branches: Vec<&File> = self.chains.iter().filter(|file| difficulty_in_name(file).is_some()).collect();
        branches.sort_by_key(|file| file.path.clone());
        if branches.len() > 1 {
            recorder.at(branches[0].folder());
            recorder.record("-", "fork choice among the branches", guarded(|| self.fork_choice(&branches)));
        }
    }

    /// `genesis-X.json` for `fork-X.blocks`, or the only one there is.
    fn genesis_of(&self, file: &File) -> &File {
        let stem = |file: &File| file.name().split('.').next().unwrap_or_default().to_owned();
        let suffix = stem(file).rsplit_once('-').map(|(_, suffix)| suffix.to_owned());
        let matching =
            self.geneses.iter().find(|genesis| suffix.as_ref().is_some_and(|end| stem(genesis).ends_with(end)));
        matching.unwrap_or(&self.geneses[0])
    }

    fn check(&self, genesis: &File, common: Option<&File>, file: &File) -> Result<(), Reason> {
        let mut blocks = common.map_or(Ok(Vec::new()), |common| decode_blocks(&common.read()?))?;
        blocks.extend(decode_blocks(&file.read()?)?);
        let temporary = open(genesis, &blocks)?;
        let verdict = if file.name().starts_with("badpow") {
            refuses_the_seal(&temporary.chain, blocks)
        } else {
            let sum = sum_of_difficulty(&blocks);
            import_all(&temporary.chain, blocks).and_then(|()| self.head(&temporary.chain, file, sum))
        };
        temporary.close()?;
        verdict
    }

    /// What the file's name and its companions say of the head.
    fn head(&self, chain: &Chain, file: &File, sum: U256) -> Result<(), Reason> {
        if let Some(expected) = difficulty_in_name(file).filter(|expected| *expected != sum) {
            return Err(format!("the blocks' difficulties add up to {sum}, expected {expected}"));
        }
        let Some(named) = self.others.iter().find(|other| other.name() == "headfcu.json") else { return Ok(()) };
        let call: Value = serde_json::from_str(&named.text()?).map_err(|error| error.to_string())?;
        let expected = call.list("params")?.first().ok_or("no parameter")?.hash("headBlockHash")?;
        let head = chain.head().hash;
        if head == expected { Ok(()) } else { Err(format!("head {head}, expected {expected}")) }
    }

    /// All branches into one chain: the heaviest becomes the head, and of several the one seen first.
    fn fork_choice(&self, branches: &[&File]) -> Result<(), Reason> {
        let blocks = |file: &File| decode_blocks(&file.read()?);
        let temporary = open(self.genesis_of(branches[0]), &blocks(branches[0])?)?;
        let chain = &temporary.chain;
        let (mut best, mut head) = (U256::ZERO, chain.head().hash);
        for file in branches {
            let blocks = blocks(file)?;
            let (sum, last) = (sum_of_difficulty(&blocks), blocks.last().map(|block| block.header.hash_slow()));
            import_all(chain, blocks)?;
            if sum > best {
                (best, head) = (sum, last.unwrap_or(head));
            }
            let found = chain.head().hash;
            if found != head {
                return Err(format!("after {} the head is {found}, expected {head}", file.name()));
            }
        }
        temporary.close()
    }
}

/// Whether the genesis file selects an engine that this version does not run.
fn engine_is_missing(genesis: &File) -> Result<bool, Reason> {
    let text = genesis.text()?;
    let value: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    // Besu's older engines are not even names to the genesis reader.
    if value["config"].as_object().is_some_and(|config| config.keys().any(|key| key.starts_with("ibft"))) {
        return Ok(true);
    }
    let spec = ChainSpec::from_json(&text).map_err(|error| format!("{}: {error}", genesis.name()))?;
    Ok(matches!(spec.engine, EngineConfig::Clique(_) | EngineConfig::Qbft(_))
        && atoll_consensus::engine(Arc::new(spec)).is_err())
}

fn open(genesis: &File, blocks: &[Block]) -> Result<TemporaryChain, Reason> {
    let spec = ChainSpec::from_json(&genesis.text()?).map_err(|error| error.to_string())?;
    let sealed = blocks.iter().any(|block| block.header.nonce != B64::ZERO && !block.header.mix_hash.is_zero());
    TemporaryChain::open(Arc::new(spec), sealed)
}

fn import_all(chain: &Chain, blocks: Vec<Block>) -> Result<(), Reason> {
    let genesis = chain.spec().genesis_header().hash;
    for block in blocks {
        let (number, hash) = (block.header.number, block.header.hash_slow());
        if number == 0 && hash != genesis {
            return Err(format!("the file's genesis block is {hash}, the genesis file's {genesis}"));
        }
        import(chain, block).map_err(|error| format!("block {number}: {}", explain(&error)))?;
    }
    Ok(())
}

fn refuses_the_seal(chain: &Chain, blocks: Vec<Block>) -> Result<(), Reason> {
    let bad = blocks.into_iter().find(|block| block.header.number == 1).ok_or("there is no block 1")?;
    match import(chain, bad) {
        Ok(()) => Err("block 1 was accepted, its seal is bad".into()),
        Err(error) if rule::of_import(&error) == Rule::Seal => Ok(()),
        Err(error) => Err(format!("block 1 was refused by another rule: {}", explain(&error))),
    }
}

fn sum_of_difficulty(blocks: &[Block]) -> U256 {
    blocks.iter().map(|block| block.header.difficulty).fold(U256::ZERO, U256::saturating_add)
}

/// `blocks_10_td_1971072_1.rlp` adds up to 1971072.
fn difficulty_in_name(file: &File) -> Option<U256> {
    let (_, rest) = file.name().split_once("_td_")?;
    rest.split(['_', '.']).next()?.parse().ok()
}
