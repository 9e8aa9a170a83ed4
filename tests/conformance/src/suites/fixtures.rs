//! Files of ethereum/tests' shape: an object of named cases. What a case is shows in its fields, so files are taken
//! wherever they lie, and a file may mix formats.

use super::{blockchain_test, row, state_test, transaction_test, vm_test};
use crate::{File, Files, Job, Reason, Recorder, Skip, Suite, run::message};
use serde_json::{Map, Value};
use std::panic::{AssertUnwindSafe, catch_unwind};

pub const SUITE: Suite = Suite { name: "fixtures", discover };

fn discover(files: &mut Files) -> Vec<Job> {
    let taken = files.take(|file| file.name().ends_with(".json"));
    let job = |file: File| {
        let contents = file.clone();
        Job::new(row(&file.path), &file, move |recorder| run(&contents, recorder))
    };
    taken.into_iter().map(job).collect()
}

fn run(file: &File, recorder: &mut Recorder<'_>) {
    let cases = file.text().and_then(|text| parse(&text));
    let cases = match cases {
        Ok(Some(cases)) => cases,
        Ok(None) => return recorder.skip("-", "", Skip::UnknownFormat),
        Err(reason) => return recorder.record("-", "-", Err(reason)),
    };
    for (name, case) in &cases {
        if !recorder.wants_case(name) {
            continue;
        }
        match format(case) {
            Some(format) => format(name, case, recorder),
            None => recorder.skip("-", name, Skip::UnknownFormat),
        }
    }
}

/// The named cases of a file; `None` if it is JSON of another shape.
fn parse(text: &str) -> Result<Option<Map<String, Value>>, Reason> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Value::Object(mut cases) = value else { return Ok(None) };
    cases.retain(|name, _| name != "_info");
    Ok(cases.values().all(Value::is_object).then_some(cases))
}

type Format = fn(&str, &Value, &mut Recorder<'_>);

/// What runs a case with these fields.
fn format(case: &Value) -> Option<Format> {
    let has = |keys: &[&str]| keys.iter().all(|key| case.get(key).is_some());
    let formats: [(&[&str], Format); 4] = [
        (&["blocks", "genesisBlockHeader", "pre"], blockchain_test::run),
        (&["env", "pre", "transaction", "post"], state_test::run),
        (&["txbytes", "result"], transaction_test::run),
        (&["env", "exec", "pre"], vm_test::run),
    ];
    formats.into_iter().find(|(keys, _)| has(keys)).map(|(_, format)| format)
}

/// Runs a case; a panic is its failure.
pub fn guarded(case: impl FnOnce() -> Result<(), Reason>) -> Result<(), Reason> {
    catch_unwind(AssertUnwindSafe(case)).unwrap_or_else(|panic| Err(format!("panicked: {}", message(panic.as_ref()))))
}
