//! Fork IDs (EIP-2124, EIP-6122): for heads of public networks, what a node announces to its peers.

use crate::{File, Files, Job, Reason, Suite, json::Fields};
use atoll_primitives::ChainSpec;
use serde_json::Value;

pub const SUITE: Suite = Suite { name: "fork-id", discover };

fn discover(files: &mut Files) -> Vec<Job> {
    // The networks' genesis files lie elsewhere in the material.
    let geneses: Vec<File> = files.iter().filter(|file| file.path.contains("/genesis/")).cloned().collect();
    let job = |file: File| {
        let (contents, geneses) = (file.clone(), geneses.clone());
        Job::new("derived/forkid", &file, move |recorder| {
            let vectors =
                contents.text().and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
            let vectors: Value = match vectors {
                Ok(vectors) => vectors,
                Err(reason) => return recorder.record("-", "-", Err(reason)),
            };
            for (network, cases) in vectors["vectors"].as_object().into_iter().flatten() {
                let spec = spec(network, &geneses);
                for (index, case) in cases.as_array().into_iter().flatten().enumerate() {
                    let verdict = spec.as_ref().map_err(Clone::clone).and_then(|spec| check(spec, case));
                    recorder.record(network, &index.to_string(), verdict);
                }
            }
        })
    };
    files.take(|file| file.name() == "forkid.json").into_iter().map(job).collect()
}

fn spec(network: &str, geneses: &[File]) -> Result<ChainSpec, Reason> {
    let name = format!("{}.json", network.to_lowercase());
    let file = geneses.iter().find(|file| file.name() == name).ok_or_else(|| format!("there is no {name}"))?;
    ChainSpec::from_json(&file.text()?).map_err(|error| error.to_string())
}

fn check(spec: &ChainSpec, case: &Value) -> Result<(), Reason> {
    let id = spec.fork_id(spec.genesis_header().hash, case.small("head")?, case.small("time")?);
    let (hash, next) = (u64::from(u32::from_be_bytes(id.hash.0)), id.next);
    let expected = (case.small("hash")?, case.small("next")?);
    if (hash, next) == expected {
        return Ok(());
    }
    Err(format!("fork ID {hash:#x}/{next}, expected {:#x}/{}", expected.0, expected.1))
}
