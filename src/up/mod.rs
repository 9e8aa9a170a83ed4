//! `atoll up`: a whole network on this machine, every part a process of its own, supervised.
//!
//! The order: check everything that can be wrong, start the processes, wait until the network really answers,
//! say where everything is, keep it running, stop it in order.

mod data_dir;
mod error;
mod logs;
pub mod network_file;
mod plan;
mod ports;
mod process;
mod ready;
mod summary;
mod supervisor;

pub use error::UpError;

use crate::{accounts, cli::LogArgs, cli::up::UpArgs, shutdown};
use std::{process::ExitCode, time::Instant};

/// Starts the network and stays until it is told to stop.
///
/// # Errors
/// [`UpError`]: each says what to do.
pub async fn run(args: UpArgs, log: LogArgs) -> Result<ExitCode, UpError> {
    let started = Instant::now();
    if args.miners == 0 {
        return Err(UpError::NoMiners);
    }
    let stop = shutdown::token(log.stop_with_stdin).map_err(UpError::Signals)?;
    let dir = data_dir::DataDir::open(&args)?;
    let accounts = accounts::derive_many(&args.template.mnemonic, args.template.accounts)?;
    let plan = plan::Plan::new(&args, &log, &dir).await?;
    println!("Starting a private Ethereum network in {}", dir.path().display());
    println!(
        "  {} miner(s), {} client(s), chain ID {}, network ID {}",
        args.miners,
        args.clients,
        dir.spec().chain_id,
        plan.network_id
    );

    let supervisor = supervisor::Supervisor::start(&plan, &dir, args.verbose).await?;
    let outcome = tokio::select! {
        outcome = ready::wait(&plan, &supervisor, started) => outcome,
        () = stop.cancelled() => { supervisor.stop().await; return Ok(ExitCode::SUCCESS); }
    };
    if let Err(error) = outcome {
        supervisor.stop().await;
        return Err(error);
    }
    supervisor.announce();
    summary::print(&plan, &dir, &accounts, started.elapsed());
    stop.cancelled().await;
    println!("\nStopping …");
    supervisor.stop().await;
    println!("Stopped. The next start goes on from here; `--reset` starts anew.");
    Ok(ExitCode::SUCCESS)
}
