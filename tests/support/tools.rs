//! The real clients: installed by `tests/run`, absent on machines without npm. A test without its client says so
//! and passes; `tests/run` lists what was skipped.

use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Command, Output, Stdio},
};

/// The folder of the client scripts.
pub fn clients() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
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

/// The platform as the names of Node.js's native packages say it.
pub fn node_platform() -> String {
    let processor = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    if cfg!(target_os = "macos") { format!("darwin-{processor}") } else { format!("linux-{processor}-gnu") }
}

/// Runs one of the client scripts with node; returns the JSON object it prints last.
pub fn script(name: &str, args: &[&str]) -> Value {
    Client { program: "node".into(), script: name.to_owned() }.run(args)
}

/// A client library or tool, and the script that drives it.
pub struct Client {
    program: PathBuf,
    script: String,
}

impl Client {
    /// One for Node.js, if npm has installed these packages; what the scripts share is built.
    pub fn node(script: &str, packages: &[&str]) -> Option<Self> {
        let needed = ["solc", "micro-eth-signer"];
        if !packages.iter().chain(&needed).all(|name| has_package(name)) {
            return None;
        }
        build();
        // Without arguments those with a project of their own compile it.
        if ["foundry.mjs", "hardhat.mjs"].contains(&script) {
            run(Command::new("node").arg(clients().join(script)));
        }
        Some(Self { program: "node".into(), script: script.to_owned() })
    }

    /// One for Python, if `tests/run` has made its environment.
    pub fn python(script: &str) -> Option<Self> {
        let program =
            found(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients/.venv/bin/python"), "web3.py")?;
        if !has_package("solc") {
            return None;
        }
        build();
        Some(Self { program, script: script.to_owned() })
    }

    /// Runs the script; returns the JSON object it prints last.
    pub fn run(&self, args: &[&str]) -> Value {
        self.run_watched(args, |_| ())
    }

    /// Runs the script and sees each line as it is printed.
    pub fn run_watched(&self, args: &[&str], see: impl Fn(&str)) -> Value {
        let mut command = Command::new(&self.program);
        command.arg(clients().join(&self.script)).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut complaints = child.stderr.take().unwrap();
        let complaints = std::thread::spawn(move || {
            let mut text = String::new();
            complaints.read_to_string(&mut text).map(|_| text)
        });
        let mut lines = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            see(&line);
            lines.push(line);
        }
        let status = child.wait().unwrap();
        let (output, complaints) = (lines.join("\n"), complaints.join().unwrap().unwrap());
        assert!(status.success(), "{command:?}: {status}\n{output}\n{complaints}");
        println!("{output}");
        let last = lines.last().map(String::as_str).unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|_| panic!("{}: {output}", self.script))
    }
}

/// The contracts and the blob that all scripts share; made once.
fn build() {
    run(Command::new("node").arg(clients().join("build.mjs")));
}
