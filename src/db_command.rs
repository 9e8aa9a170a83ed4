//! `atoll db`: checks a data directory, and makes damaged tables again.

use crate::{
    cli::{
        LogArgs,
        db::{DbArgs, DbCommand},
    },
    genesis_command, logging,
};
use atoll_node::{
    StorageOptions, rebuild_chain,
    storage::{Progress, Report, Scope, verify},
};
use atoll_primitives::ChainSpec;
use std::{
    error::Error,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

/// Whatever takes longer says how far it is, this often.
const SHOWN_EVERY: Duration = Duration::from_secs(2);

/// `atoll db`.
///
/// # Errors
/// When the directory cannot be read at all, or not be rebuilt.
pub fn run(args: DbArgs, log: &LogArgs) -> Result<ExitCode, Box<dyn Error>> {
    logging::init(log)?;
    let genesis = args.genesis.as_deref().ok_or("the chain's genesis file is needed: --genesis FILE")?;
    let (_, spec) = genesis_command::read(genesis)?;
    match &args.command {
        DbCommand::Verify => {
            let report = check(&args, &spec)?;
            print(&report);
            Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        DbCommand::Rebuild { tables, all } => {
            let scope = match (tables.as_slice(), all) {
                (_, true) => Some(Scope::Everything),
                ([], false) => damaged(&args, &spec)?,
                (tables, false) => Some(Scope::of(tables.iter().map(String::as_str))?),
            };
            match scope {
                Some(scope) => rebuild(&args, spec, scope)?,
                None => println!("there is nothing to make again"),
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check(args: &DbArgs, spec: &ChainSpec) -> Result<Report, Box<dyn Error>> {
    Ok(verify(&args.data_dir.join("chain"), spec, args.db_cache << 20, &mut show())?)
}

/// What has to be made again, if anything.
fn damaged(args: &DbArgs, spec: &ChainSpec) -> Result<Option<Scope>, Box<dyn Error>> {
    let report = match check(args, spec) {
        Ok(report) => report,
        Err(error) => {
            // Tables that do not open at all are what this command is for.
            crate::report(error.as_ref());
            return Ok(Some(Scope::Everything));
        }
    };
    print(&report);
    if report.is_sound() { Ok(None) } else { Ok(Some(Scope::of(report.counts.keys().copied())?)) }
}

fn rebuild(args: &DbArgs, spec: ChainSpec, scope: Scope) -> Result<(), Box<dyn Error>> {
    let options = StorageOptions { cache_bytes: args.db_cache << 20, ..StorageOptions::default() };
    let rebuilt = rebuild_chain(Arc::new(spec), &args.data_dir, options, scope, &mut show())?;
    println!("made again up to block {} {}", rebuilt.head, rebuilt.hash);
    println!("the old files are in {}; delete them when the node runs well", rebuilt.kept.display());
    if !rebuilt.lost.is_nothing() || rebuilt.lost.blocks > 0 {
        println!(
            "block files are damaged: {} blocks behind the damage lead to nothing and are left out; the node will fetch \
             what is missing from its peers",
            rebuilt.lost.blocks
        );
    }
    Ok(())
}

fn print(report: &Report) {
    for (part, count) in &report.read {
        println!("{part}: {count} read");
    }
    for fault in &report.faults {
        println!("DAMAGED {fault}");
    }
    if report.is_sound() {
        println!("the data directory is sound");
        return;
    }
    for (part, count) in &report.counts {
        println!("{part}: {count} things do not fit");
    }
    println!("`atoll db rebuild` makes damaged tables again");
}

/// Shows progress now and then.
fn show() -> impl FnMut(Progress) {
    let mut shown = Instant::now();
    move |Progress { part, done, total }| {
        if shown.elapsed() < SHOWN_EVERY {
            return;
        }
        shown = Instant::now();
        match total {
            Some(total) => eprintln!("{part}: {done} of {total} …"),
            None => eprintln!("{part}: {done} …"),
        }
    }
}
