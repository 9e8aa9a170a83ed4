//! The figures that Atoll is held to, measured by one command on any machine:
//!
//! ```text
//! cargo run --release -p atoll-benches --bin figures
//! ```
//!
//! Each measurement runs in a process of its own, so that its memory is its own; chains are generated on the way.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a measurement stops at the first surprise")]

mod chain_dir;
mod ethash;
mod growth;
mod import;
mod process;
mod workload;

use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::Command};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures import, growth of the state, reading, memory and ethash.
#[derive(Debug, Parser)]
struct Cli {
    /// Where generated chains and databases lie
    #[arg(long, global = true, default_value = "target/figures")]
    dir: PathBuf,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Clone, Subcommand)]
enum What {
    /// Import of a file of transfers, validated and persisted
    Import {
        #[command(flatten)]
        size: SizeArgs,
        /// redb or sled
        #[arg(long, default_value = "redb")]
        engine: String,
    },
    /// Blocks and reads over a state of many accounts
    Growth {
        #[arg(long, default_value_t = 50_000)]
        accounts: u64,
        /// redb or sled
        #[arg(long, default_value = "redb")]
        engine: String,
    },
    /// The same blocks, recovered and executed only
    Alone {
        #[command(flatten)]
        size: SizeArgs,
    },
    /// Ethash light verification of real mainnet headers
    Ethash {
        /// The unpacked conformance archive, where they are
        #[arg(long, env = "ATOLL_CONFORMANCE")]
        conformance: PathBuf,
    },
}

#[derive(Debug, Clone, clap::Args)]
struct SizeArgs {
    #[arg(long, default_value_t = 300_000)]
    transactions: u64,
    #[arg(long, default_value_t = 50_000)]
    accounts: u64,
    #[arg(long, default_value_t = 1000)]
    per_block: u64,
}

impl SizeArgs {
    fn size(&self) -> import::Size {
        import::Size { transactions: self.transactions, accounts: self.accounts, per_block: self.per_block }
    }
}

fn main() {
    let cli = Cli::parse();
    std::fs::create_dir_all(&cli.dir).unwrap();
    match cli.what {
        Some(What::Import { size, engine }) => import::import(&cli.dir, size.size(), engine.parse().unwrap()),
        Some(What::Alone { size }) => import::alone(&cli.dir, size.size()),
        Some(What::Growth { accounts, engine }) => growth::growth(&cli.dir, accounts, engine.parse().unwrap()),
        Some(What::Ethash { conformance }) => ethash::run(&conformance),
        None => all(&cli.dir),
    }
}

fn all(dir: &std::path::Path) {
    let measured = [
        &["alone"][..],
        &["import", "--engine", "redb"],
        &["import", "--engine", "sled"],
        &["growth", "--accounts", "50000"],
        &["growth", "--accounts", "500000"],
        &["growth", "--accounts", "5000000"],
    ];
    for arguments in measured {
        let program = std::env::current_exe().unwrap();
        let status = Command::new(program).args(arguments).arg("--dir").arg(dir).status().unwrap();
        assert!(status.success(), "{arguments:?} failed");
    }
    match std::env::var_os("ATOLL_CONFORMANCE") {
        Some(conformance) => ethash::run(std::path::Path::new(&conformance)),
        None => println!("ethash: not measured, ATOLL_CONFORMANCE does not name the unpacked conformance archive"),
    }
}
