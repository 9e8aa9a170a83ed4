//! Material of Clique, QBFT and IBFT beyond chain files: their genesis files are read; what needs the engine waits for it.

use super::fixtures::guarded;
use crate::{File, Files, Job, Reason, Recorder, Skip, Suite};
use atoll_primitives::ChainSpec;
use serde_json::Value;

pub const SUITE: Suite = Suite { name: "engines", discover };

/// Names of the engines as they stand in the material's folders and files.
const ENGINES: [&str; 3] = ["clique", "qbft", "ibft"];

fn discover(files: &mut Files) -> Vec<Job> {
    let about = |file: &File| ENGINES.iter().any(|name| file.path.to_lowercase().contains(name));
    // The keys of the validators who sealed the chains.
    files.take(|file| about(file) && (file.name().ends_with("key") || file.name().ends_with(".pub")));
    let job = |file: File| {
        let contents = file.clone();
        Job::new(super::row(&file.path), &file, move |recorder| run(&contents, recorder))
    };
    files.take(|file| about(file) && file.name().ends_with(".json")).into_iter().map(job).collect()
}

fn run(file: &File, recorder: &mut Recorder<'_>) {
    let text = match file.text() {
        Ok(text) => text,
        Err(reason) => return recorder.record("-", file.name(), Err(reason)),
    };
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    let engine = ["clique", "qbft"].iter().any(|key| value["config"].get(*key).is_some());
    // Besu's tests fill in what some of its files leave open: `%extraData%`.
    if engine && value.get("alloc").is_some() && !text.contains('%') {
        recorder.record("genesis", file.name(), guarded(|| is_read(&value)));
    } else {
        recorder.skip("-", file.name(), Skip::NoEngine);
    }
}

fn is_read(genesis: &Value) -> Result<(), Reason> {
    ChainSpec::from_json(&genesis.to_string()).map(drop).map_err(|error| error.to_string())
}
