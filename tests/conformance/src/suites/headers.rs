//! Real blocks without their chain: mainnet blocks, alone or two in a row. Their header rules, bodies and seals are
//! checked by the engine; there is no parent state to execute them over.

use super::fixtures::guarded;
use crate::{
    File, Files, Job, Reason, Recorder, Suite,
    chains::{decode_blocks, explain},
    json::Fields,
};
use atoll_consensus::{Engine, engine};
use atoll_primitives::{B64, B256, Block, Bloom, ChainSpec, Header, HeaderReader, SealedHeader};
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};

pub const SUITE: Suite = Suite { name: "real-blocks", discover };

/// Folders of single blocks: named `block_N.blocks` in RLP, or `block_N.json` as `eth_getBlockByNumber` gives them.
fn discover(files: &mut Files) -> Vec<Job> {
    let known = |file: &File| {
        let alone = file.name().starts_with("block_") && file.folder().ends_with("blocks");
        alone && (file.name().ends_with(".blocks") || file.name().ends_with(".json"))
    };
    let Some(genesis) = files.iter().find(|file| file.name() == "mainnet.json").cloned() else { return Vec::new() };
    let folders: BTreeSet<String> =
        files.iter().filter(|file| known(file)).map(|file| file.folder().to_owned()).collect();
    let mut jobs = Vec::new();
    for folder in folders {
        let blocks = files.take(|file| file.folder() == folder && known(file));
        let (genesis, covered) = (genesis.clone(), blocks.clone());
        let job = Job::covering(super::row(&covered[0].path), folder, &covered, move |recorder| {
            run(&genesis, &blocks, recorder);
        });
        // The cache of an epoch takes a second to build.
        jobs.push(job.weighing(50 << 20));
    }
    jobs
}

fn run(genesis: &File, files: &[File], recorder: &mut Recorder<'_>) {
    let spec = genesis.text().and_then(|text| ChainSpec::from_json(&text).map_err(|error| error.to_string()));
    let judge = spec.and_then(|spec| engine(Arc::new(spec)).map_err(|error| error.to_string()));
    let judge = match judge {
        Ok(judge) => judge,
        Err(reason) => return recorder.record("-", genesis.name(), Err(reason)),
    };
    let mut all: Vec<Block> = Vec::new();
    for file in files {
        recorder.at(&file.path);
        let blocks = if file.name().ends_with(".json") {
            from_json(file).map(|block| vec![block])
        } else {
            file.read().and_then(|bytes| decode_blocks(&bytes))
        };
        let blocks = match blocks {
            Ok(blocks) => blocks,
            Err(reason) => {
                recorder.record("mainnet", file.name(), Err(reason));
                continue;
            }
        };
        for block in &blocks {
            recorder.record("mainnet", &format!("seal of {}", block.header.number), guarded(|| seal(&*judge, block)));
        }
        all.extend(blocks);
    }
    for block in &all {
        let parent = all.iter().find(|parent| parent.header.hash_slow() == block.header.parent_hash);
        if let Some(parent) = parent {
            let case = format!("rules of {}", block.header.number);
            recorder.record("mainnet", &case, guarded(|| rules(&*judge, parent, block)));
        }
    }
}

fn seal(judge: &dyn Engine, block: &Block) -> Result<(), Reason> {
    judge.verify_seal(&block.header, &Parent(None)).map_err(|error| explain(&error))
}

fn rules(judge: &dyn Engine, parent: &Block, block: &Block) -> Result<(), Reason> {
    let reader = Parent(Some(parent.clone()));
    let sealed = SealedHeader::new(parent.header.clone());
    judge.verify_header(&block.header, &sealed, &reader, block.header.timestamp).map_err(|error| explain(&error))?;
    judge.verify_body(block, &reader).map_err(|error| explain(&error))
}

/// All that is known is the parent.
struct Parent(Option<Block>);

impl Parent {
    fn of(&self, hash: &B256) -> Option<&Block> {
        self.0.as_ref().filter(|block| block.header.hash_slow() == *hash)
    }
}

impl HeaderReader for Parent {
    fn header(&self, hash: &B256) -> Option<Header> {
        self.of(hash).map(|block| block.header.clone())
    }

    fn ommers(&self, hash: &B256) -> Option<Vec<Header>> {
        self.of(hash).map(|block| block.body.ommers.clone())
    }
}

/// The header of `eth_getBlockByNumber`; its hash must be the one named.
fn from_json(file: &File) -> Result<Block, Reason> {
    let value: Value = serde_json::from_str(&file.text()?).map_err(|error| error.to_string())?;
    let parse = |key: &str| value.text(key);
    let header = Header {
        parent_hash: value.hash("parentHash")?,
        ommers_hash: value.hash("sha3Uncles")?,
        beneficiary: value.address("miner")?,
        state_root: value.hash("stateRoot")?,
        transactions_root: value.hash("transactionsRoot")?,
        receipts_root: value.hash("receiptsRoot")?,
        logs_bloom: parse("logsBloom")?.parse::<Bloom>().map_err(|error| error.to_string())?,
        difficulty: value.number("difficulty")?,
        number: value.small("number")?,
        gas_limit: value.small("gasLimit")?,
        gas_used: value.small("gasUsed")?,
        timestamp: value.small("timestamp")?,
        extra_data: value.bytes("extraData")?,
        mix_hash: value.hash("mixHash")?,
        nonce: parse("nonce")?.parse::<B64>().map_err(|error| error.to_string())?,
        ..Header::default()
    };
    let (found, expected) = (header.hash_slow(), value.hash("hash")?);
    if found != expected {
        return Err(format!("hash {found}, expected {expected}"));
    }
    Ok(Block { header, ..Block::default() })
}
