//! era1 archives of real networks: blocks with their receipts and total difficulties, imported with their seals checked.

use super::fixtures::guarded;
use crate::{
    File, Files, Job, Reason, Suite,
    chains::{TemporaryChain, explain},
};
use atoll_chain::file;
use atoll_primitives::ChainSpec;
use std::{io::BufReader, sync::Arc};

pub const SUITE: Suite = Suite { name: "era1", discover };

/// Blocks of an archive.
const ERA1_BLOCKS: u64 = 8_192;

/// `sepolia-00000-643a00f7.era1` belongs to the network of `sepolia.json`.
fn discover(files: &mut Files) -> Vec<Job> {
    let geneses: Vec<File> = files.iter().filter(|file| file.path.contains("/genesis/")).cloned().collect();
    let job = |archive: File| {
        let (contents, geneses) = (archive.clone(), geneses.clone());
        let job = Job::new(super::row(&archive.path), &archive, move |recorder| {
            let network = contents.name().split('-').next().unwrap_or_default().to_owned();
            let genesis = geneses.iter().find(|file| file.name() == format!("{network}.json"));
            let verdict = guarded(|| check(&contents, genesis.ok_or_else(|| format!("there is no {network}.json"))?));
            recorder.record(&network, contents.name(), verdict);
        });
        // Thousands of seals.
        job.weighing(1 << 30)
    };
    files.take(|file| file.name().ends_with(".era1")).into_iter().map(job).collect()
}

fn check(archive: &File, genesis: &File) -> Result<(), Reason> {
    let spec = ChainSpec::from_json(&genesis.text()?).map_err(|error| error.to_string())?;
    let number = archive.name().split('-').nth(1).and_then(|number| number.parse::<u64>().ok());
    if number != Some(0) {
        return Err("an archive that does not begin with the genesis block cannot be imported alone".into());
    }
    let temporary = TemporaryChain::open(Arc::new(spec), true)?;
    let reader = BufReader::new(std::fs::File::open(&archive.on_disk).map_err(|error| error.to_string())?);
    file::import(&temporary.chain, reader, |_| {}).map_err(|error| explain(&error))?;
    let head = temporary.chain.head().number;
    temporary.close()?;
    if head == ERA1_BLOCKS - 1 { Ok(()) } else { Err(format!("the head is {head}, expected {}", ERA1_BLOCKS - 1)) }
}
