//! `atoll export`.

use super::{
    ChainFileError, is_dash, open,
    progress::{EVERY, Lines, Sample},
};
use crate::{
    cli::{
        LogArgs,
        tools::{ExportArgs, ExportFormat},
    },
    logging,
};
use atoll_node::chain::{
    Chain,
    file::{self, ERA1_BLOCKS, FileError},
};
use flate2::{Compression, write::GzEncoder};
use std::{
    error::Error,
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

/// `atoll export`.
///
/// # Errors
/// When the chain cannot be opened, the range is not in it, or a file not written.
pub fn export(args: &ExportArgs, log: &LogArgs) -> Result<ExitCode, Box<dyn Error>> {
    logging::init(log)?;
    let chain = open(&args.chain)?;
    let to = args.to.unwrap_or(chain.head().number);
    let result = match args.format {
        ExportFormat::Rlp => export_rlp(&chain, &args.file, args.from, to),
        ExportFormat::Era1 => export_archives(&chain, args, to),
    };
    chain.shutdown()?;
    result?;
    Ok(ExitCode::SUCCESS)
}

fn export_rlp(chain: &Chain, path: &Path, from: u64, to: u64) -> Result<(), ChainFileError> {
    let failed = |source: FileError| ChainFileError::Export { path: path.into(), source };
    let mut shown = Instant::now();
    let mut lines = Lines::new(path.display().to_string(), Some((to + 1).saturating_sub(from)), shown);
    let progress = |number: u64| {
        if shown.elapsed() >= EVERY {
            shown = Instant::now();
            let done = number + 1 - from;
            eprintln!("{}", lines.line(shown, Sample { number, blocks: done, transactions: 0, done }));
        }
    };
    if is_dash(path) {
        file::export(chain, BufWriter::new(std::io::stdout().lock()), from, to, progress).map_err(failed)?;
    } else {
        let mut writer = create(path)?;
        if path.extension().is_some_and(|extension| extension == "gz") {
            let mut packed = GzEncoder::new(writer, Compression::default());
            file::export(chain, &mut packed, from, to, progress).map_err(failed)?;
            writer = packed.finish().map_err(|error| failed(error.into()))?;
            writer.flush().map_err(|error| failed(error.into()))?;
        } else {
            file::export(chain, writer, from, to, progress).map_err(failed)?;
        }
    }
    eprintln!("{} blocks written to {}", to + 1 - from, path.display());
    Ok(())
}

/// One archive for each 8192 blocks, named as geth names them: network, number, first bytes of the accumulator.
fn export_archives(chain: &Chain, args: &ExportArgs, to: u64) -> Result<(), ChainFileError> {
    let (dir, from, head) = (&args.file, args.from, chain.head().number);
    if from > to || to > head {
        return Err(ChainFileError::Export { path: dir.clone(), source: FileError::Range { from, to, head } });
    }
    let unmade = |source| ChainFileError::Open { what: "make", path: dir.clone(), source };
    std::fs::create_dir_all(dir).map_err(unmade)?;
    let mut first = from;
    while first <= to {
        let epoch = first / ERA1_BLOCKS;
        let last = to.min((epoch + 1) * ERA1_BLOCKS - 1);
        let part = dir.join(format!("{}-{epoch:05}.era1.part", args.network));
        let failed = |source: FileError| ChainFileError::Export { path: part.clone(), source };
        let summary = file::export_era1(chain, create(&part)?, first, last).map_err(failed)?;
        let root = summary.accumulator.0;
        let name =
            format!("{}-{epoch:05}-{:02x}{:02x}{:02x}{:02x}.era1", args.network, root[0], root[1], root[2], root[3]);
        std::fs::rename(&part, dir.join(&name)).map_err(|error| failed(error.into()))?;
        eprintln!("blocks {first} to {last} written to {}", dir.join(name).display());
        first = last + 1;
    }
    Ok(())
}

fn create(path: &Path) -> Result<BufWriter<File>, ChainFileError> {
    let unwritten = |source| ChainFileError::Open { what: "write", path: PathBuf::from(path), source };
    Ok(BufWriter::with_capacity(1 << 20, File::create(path).map_err(unwritten)?))
}
