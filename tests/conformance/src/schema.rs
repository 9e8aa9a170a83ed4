//! The answers' schemas, from the `openrpc.json` of execution-apis if the material has it. It must not know methods.

use crate::{File, Files, Reason};
use jsonschema::Validator;
use serde_json::Value;
use std::{collections::HashMap, sync::Arc};

/// Where the assembled specification lies.
const SPECIFICATION: &str = "execution-apis/openrpc.json";

/// A schema for every method's result.
#[derive(Clone, Default)]
pub struct Schemas {
    file: Option<File>,
    results: Arc<HashMap<String, Validator>>,
}

impl Schemas {
    /// Looks for the specification, which stays with the files.
    pub fn find(files: &Files) -> Self {
        Self { file: files.iter().find(|file| file.path == SPECIFICATION).cloned(), results: Arc::default() }
    }

    /// Reads it; without one nothing is checked.
    ///
    /// # Errors
    /// It is no specification, or one of its schemas is none.
    pub fn read(self) -> Result<Self, Reason> {
        let Some(file) = &self.file else { return Ok(self) };
        let document: Value = serde_json::from_str(&file.text()?).map_err(|error| error.to_string())?;
        let mut results = HashMap::new();
        for method in document["methods"].as_array().into_iter().flatten() {
            let (Some(name), schema) = (method["name"].as_str(), &method["result"]["schema"]) else { continue };
            let validator = jsonschema::validator_for(schema).map_err(|error| format!("schema of {name}: {error}"))?;
            results.insert(name.to_owned(), validator);
        }
        Ok(Self { file: self.file, results: Arc::new(results) })
    }

    /// Checks the result of an answer; errors and methods without a schema pass.
    ///
    /// # Errors
    /// What does not fit.
    pub fn check(&self, method: &str, answer: &Value) -> Result<(), Reason> {
        let (Some(validator), Some(result)) = (self.results.get(method), answer.get("result")) else { return Ok(()) };
        let first = validator.iter_errors(result).next();
        first.map_or(Ok(()), |error| Err(format!("schema of {method}: {error} at {}", error.instance_path())))
    }
}
