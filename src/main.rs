//! `atoll`: a private Ethereum network in a box.
//!
//! Reads flags, environment and the configuration file, and starts what was asked for. No logic of the
//! chain or of the services lives here.

mod accounts;
mod chain_files;
mod cli;
mod config_file;
mod data_slots;
mod db_command;
mod genesis_command;
mod genesis_template;
mod health;
mod logging;
mod open_files;
mod rpc_options;
mod serve;
mod shutdown;
mod status;
mod up;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match config_file::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            report(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

/// Prints an error with its causes, one a line, on standard error.
fn report(error: &dyn std::error::Error) {
    eprintln!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
}

fn run(cli: cli::Cli) -> Result<ExitCode, Box<dyn std::error::Error>> {
    use cli::Command;
    let command = cli.command.unwrap_or_else(|| Command::Up(Box::new(cli.up)));
    // Commands that only print need neither a runtime nor a log.
    match command {
        Command::Genesis(args) => return Ok(genesis_command::run(args)?),
        Command::Account(args) => return Ok(accounts::run(args)?),
        Command::Export(args) => return chain_files::export(&args, &cli.log),
        Command::Db(args) => return db_command::run(*args, &cli.log),
        Command::Import(args) => return chain_files::import(&args, &cli.log),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        match command {
            Command::Up(args) => Ok(up::run(*args, cli.log).await?),
            Command::Status(args) => Ok(status::run(args).await?),
            Command::Health(args) => Ok(health::run(&args.url).await?),
            service => serve::run(service, &cli.log).await,
        }
    });
    // Whatever still runs on a blocking thread has had its chance to stop: do not wait for it for ever.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    result
}
