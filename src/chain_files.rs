//! `atoll export` and `atoll import`: chains as files of concatenated RLP blocks.

use crate::{
    cli::{LogArgs, tools::ChainFileArgs},
    genesis_command, logging,
};
use atoll_node::{
    StorageOptions,
    chain::{Chain, file},
    open_chain,
};
use std::{
    error::Error,
    fs::File,
    io::{BufReader, BufWriter, Write},
    process::ExitCode,
    sync::Arc,
};

fn open(args: &ChainFileArgs) -> Result<Chain, Box<dyn Error>> {
    let (_, spec) = genesis_command::read(&args.genesis)?;
    let options = StorageOptions { engine: args.db.parse()?, ..StorageOptions::default() };
    Ok(open_chain(Arc::new(spec), &args.data_dir, options, !args.no_seal_check)?)
}

/// `atoll export`.
///
/// # Errors
/// When the chain cannot be opened or the file not written.
pub fn export(args: &ChainFileArgs, log: &LogArgs) -> Result<ExitCode, Box<dyn Error>> {
    logging::init(log)?;
    let chain = open(args)?;
    let to = chain.head().number;
    let file = File::create(&args.file).map_err(|error| format!("cannot write {}: {error}", args.file.display()))?;
    let mut writer = BufWriter::new(file);
    file::export(&chain, &mut writer, 1, to)?;
    writer.flush()?;
    chain.shutdown()?;
    eprintln!("{to} blocks written to {}", args.file.display());
    Ok(ExitCode::SUCCESS)
}

/// `atoll import`.
///
/// # Errors
/// When the chain cannot be opened, the file not read, or a block is not valid.
pub fn import(args: &ChainFileArgs, log: &LogArgs) -> Result<ExitCode, Box<dyn Error>> {
    logging::init(log)?;
    let file = File::open(&args.file).map_err(|error| format!("cannot read {}: {error}", args.file.display()))?;
    let chain = open(args)?;
    let mut shown = std::time::Instant::now();
    let result = file::import(&chain, BufReader::new(file), |number| {
        if shown.elapsed().as_secs() >= 2 {
            shown = std::time::Instant::now();
            eprintln!("block {number} …");
        }
    });
    // What came before a bad block stays.
    chain.shutdown()?;
    let blocks = result?;
    let head = chain.head();
    eprintln!("{blocks} blocks imported; the head is {} {}", head.number, head.hash);
    Ok(ExitCode::SUCCESS)
}
