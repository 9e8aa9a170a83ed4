//! ABITests: arguments and their encoding, through the crate that reads typed data for `eth_signTypedData`.

use super::fixtures::guarded;
use crate::{File, Files, Job, Reason, Suite, json::Fields};
use alloy_dyn_abi::{DynSolType, DynSolValue};
use atoll_primitives::Bytes;
use serde_json::{Map, Value};

pub const SUITE: Suite = Suite { name: "abi", discover };

fn discover(files: &mut Files) -> Vec<Job> {
    let known = |file: &File| file.path.contains("ABITests/") && file.name().ends_with(".json");
    let job = |file: File| {
        let contents = file.clone();
        Job::new(super::row(&file.path), &file, move |recorder| {
            let cases = contents
                .text()
                .and_then(|text| serde_json::from_str::<Map<String, Value>>(&text).map_err(|error| error.to_string()));
            match cases {
                Ok(cases) => {
                    for (name, case) in &cases {
                        recorder.record("-", name, guarded(|| check(case)));
                    }
                }
                Err(reason) => recorder.record("-", "-", Err(reason)),
            }
        })
    };
    files.take(known).into_iter().map(job).collect()
}

fn check(case: &Value) -> Result<(), Reason> {
    let (types, args) = (case.list("types")?, case.list("args")?);
    let mut values = Vec::new();
    for (name, arg) in types.iter().zip(args) {
        let name = name.as_str().ok_or("a type is no text")?;
        let of = DynSolType::parse(name).map_err(|error| error.to_string())?;
        values.push(of.coerce_json(arg).map_err(|error| format!("{arg} as {name}: {error}"))?);
    }
    let (found, expected) =
        (Bytes::from(DynSolValue::Tuple(values.clone()).abi_encode_params()), case.bytes("result")?);
    if found != expected {
        return Err(format!("encoded as {found}, expected {expected}"));
    }
    let types: Result<Vec<_>, _> =
        types.iter().map(|name| DynSolType::parse(name.as_str().unwrap_or_default())).collect();
    let tuple = DynSolType::Tuple(types.map_err(|error| error.to_string())?);
    let back = tuple.abi_decode_params(&expected).map_err(|error| error.to_string())?;
    if back == DynSolValue::Tuple(values) { Ok(()) } else { Err(format!("decoded to {back:?}")) }
}
