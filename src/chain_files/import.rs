//! `atoll import`.

use super::{
    ChainFileError, is_dash, open, open_read_error,
    progress::{EVERY, Lines, Sample, duration},
    stop,
};
use crate::{
    cli::{LogArgs, tools::ImportArgs},
    logging,
};
use atoll_node::chain::{
    Chain,
    file::{self, FileError, Format, Imported, Meter, Tally},
};
use std::{
    error::Error,
    fs::File,
    io::{BufReader, Read, Seek},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{atomic::AtomicBool, mpsc},
    thread,
    time::Instant,
};

/// `atoll import`.
///
/// # Errors
/// When the chain cannot be opened, a file not read, or a block is not valid. What came before stays.
pub fn import(args: &ImportArgs, log: &LogArgs) -> Result<ExitCode, Box<dyn Error>> {
    logging::init(log)?;
    let files = list(&args.files)?;
    let stop = stop::flag()?;
    let chain = open(&args.chain)?;
    let (started, mut sum, mut stopped) = (Instant::now(), Imported::default(), false);
    let mut result = Ok(());
    for path in &files {
        match import_file(&chain, path, &stop) {
            Ok(done) => {
                sum.new += done.new;
                sum.tally.known += done.tally.known;
                sum.tally.transactions += done.tally.transactions;
                stopped = done.stopped;
            }
            Err(error) => result = Err(error),
        }
        if stopped || result.is_err() {
            break;
        }
    }
    // What came before a bad block stays.
    chain.shutdown()?;
    let head = chain.head();
    let Imported { new, tally: Tally { known, transactions, .. }, .. } = sum;
    let time = started.elapsed();
    let rate = |count: u64| count as f64 / time.as_secs_f64().max(0.001);
    eprintln!(
        "{new} blocks imported, {known} were known; {transactions} transactions in {}: {:.0} blocks/s, {:.0} tx/s; the \
         head is {} {}",
        duration(time),
        rate(new as u64),
        rate(transactions),
        head.number,
        head.hash
    );
    result?;
    if stopped {
        eprintln!("stopped before the end; the same command goes on from here");
        return Ok(ExitCode::from(stop::INTERRUPTED));
    }
    Ok(ExitCode::SUCCESS)
}

/// The files meant: those of a directory in the order of their names, which for era1 archives is the chain's.
fn list(given: &[PathBuf]) -> Result<Vec<PathBuf>, ChainFileError> {
    let mut files = Vec::new();
    for path in given {
        if is_dash(path) || !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let unreadable = open_read_error(path);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(path).map_err(&unreadable)? {
            let entry = entry.map_err(&unreadable)?.path();
            if entry.is_file() {
                found.push(entry);
            }
        }
        if found.is_empty() {
            return Err(ChainFileError::EmptyDirectory { path: path.clone() });
        }
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

fn import_file(chain: &Chain, path: &Path, stop: &AtomicBool) -> Result<Imported, ChainFileError> {
    let failed = |source: FileError| ChainFileError::Import { path: path.into(), source };
    if is_dash(path) {
        return watched(chain, std::io::stdin(), "standard input".into(), None, stop).map_err(failed);
    }
    let mut file = File::open(path).map_err(open_read_error(path))?;
    let size = file.metadata().map_err(open_read_error(path))?;
    check_archive(&mut file).map_err(failed)?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let size = size.is_file().then_some(size.len());
    watched(chain, file, name, size, stop).map_err(failed)
}

/// An era1 archive that does not fit its own accumulator and index is refused before any block of it is taken.
fn check_archive(file: &mut File) -> Result<(), FileError> {
    // A pipe has nothing to return to; it is checked while it is read.
    if file.stream_position().is_err() {
        return Ok(());
    }
    let mut start = Vec::new();
    file.by_ref().take(8).read_to_end(&mut start)?;
    file.rewind()?;
    if file::detect(&start) == Some(Format::Era1) {
        let found = file::verify_era1(BufReader::new(&mut *file))?;
        tracing::info!(first = found.first, count = found.count, accumulator = %found.accumulator, "era1 archive");
        file.rewind()?;
    }
    Ok(())
}

/// Imports, with a line of progress now and then.
fn watched(
    chain: &Chain,
    reader: impl Read + Send,
    name: String,
    size: Option<u64>,
    stop: &AtomicBool,
) -> Result<Imported, FileError> {
    let meter = Meter::default();
    let (ended, end) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(|| {
            // Moved in here: when the import ends, the sender is gone.
            let end = end;
            let mut lines = Lines::new(name, size, Instant::now());
            while end.recv_timeout(EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                let tally = meter.tally();
                let Tally { number, blocks, transactions, bytes, .. } = tally;
                eprintln!("{}", lines.line(Instant::now(), Sample { number, blocks, transactions, done: bytes }));
            }
        });
        let result = file::import_with(chain, reader, &meter, stop);
        drop(ended);
        result
    })
}
