//! The real clients: installed by `tests/run`, absent on machines without npm. A test without its client says so
//! and passes; `tests/run` lists what was skipped.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

/// The folder of the client scripts.
pub fn clients() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// A program that npm installed, or `None` with a message.
pub fn npm_program(name: &str) -> Option<PathBuf> {
    found(clients().join("node_modules/.bin").join(name), name)
}

/// Whether an npm package is there; prints when it is not.
pub fn has_package(name: &str) -> bool {
    found(clients().join("node_modules").join(name), name).is_some()
}

fn found(path: PathBuf, name: &str) -> Option<PathBuf> {
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("ATOLL_TEST_NEEDS_CLIENTS").is_none(), "{name} is not installed");
    println!("SKIPPED: {name} is not installed; tests/run installs it with npm");
    None
}

/// Runs a program and returns its standard output; it must succeed.
pub fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{stdout}\n{stderr}");
    stdout.trim().to_owned()
}

/// Runs one of the client scripts with node; returns the JSON object it prints last.
pub fn script(name: &str, args: &[&str]) -> serde_json::Value {
    let output = run(Command::new("node").arg(clients().join(name)).args(args));
    println!("{output}");
    serde_json::from_str(output.lines().last().unwrap_or_default()).unwrap_or_else(|_| panic!("{name}: {output}"))
}
