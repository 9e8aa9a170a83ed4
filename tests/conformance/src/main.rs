//! `conformance`: the public Ethereum test suites from the command line.

use atoll_conformance::{Options, run};
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    run(&Options::parse()).into()
}
