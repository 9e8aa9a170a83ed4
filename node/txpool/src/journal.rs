//! The journal of local transactions: an append-only file of EIP-2718 encodings, so that a transaction the node
//! has acknowledged survives `kill -9`. It must not know the pool.
//!
//! A record is its length (4 bytes, big-endian) and the encoding, sidecar included. A torn record at the end, which
//! a crash in the middle of a write leaves, ends the reading; the next rotation removes it.

use atoll_primitives::{
    PooledTransaction,
    eip2718::{Decodable2718 as _, Encodable2718 as _},
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read as _, Write as _},
    path::{Path, PathBuf},
};

/// Longest record; the pool accepts nothing longer.
const MAX_RECORD: u32 = 2 << 20;
/// Largest file read at start: what is beyond is left out, with a warning.
const MAX_FILE: u64 = 1 << 30;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the transaction journal {path} cannot be used", path = path.display())]
pub struct JournalError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
    records: usize,
}

impl Journal {
    /// Opens or creates the file, and reads the transactions in it.
    ///
    /// # Errors
    /// The file cannot be read or created.
    pub fn open(path: &Path) -> Result<(Self, Vec<PooledTransaction>), JournalError> {
        let fail = |source| JournalError { path: path.to_owned(), source };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(fail)?;
        let (txs, length) = read(&mut file).map_err(fail)?;
        let found = file.metadata().map_err(fail)?.len();
        if found > length {
            tracing::warn!(path = %path.display(), lost = found - length, "the journal ends in a torn record");
            file.set_len(length).map_err(fail)?;
        }
        let file = append_handle(path).map_err(fail)?;
        Ok((Self { path: path.to_owned(), file, length, records: txs.len() }, txs))
    }

    /// Records in the file.
    pub fn records(&self) -> usize {
        self.records
    }

    /// Appends transactions; when it returns, the operating system has them.
    ///
    /// # Errors
    /// The write failed; the file is cut back to what it was.
    pub fn append<'a>(&mut self, txs: impl Iterator<Item = &'a PooledTransaction>) -> io::Result<()> {
        let mut buffer = Vec::new();
        let mut count = 0;
        for tx in txs {
            encode(tx, &mut buffer)?;
            count += 1;
        }
        if let Err(error) = self.file.write_all(&buffer) {
            // A torn record in the middle would hide all later ones.
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += buffer.len() as u64;
        self.records += count;
        Ok(())
    }

    /// Replaces the content by these transactions.
    ///
    /// # Errors
    /// The new file cannot be written; the old one stays in use.
    pub fn rotate<'a>(&mut self, txs: impl Iterator<Item = &'a PooledTransaction>) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        let mut writer = BufWriter::new(File::create(&fresh)?);
        let (mut buffer, mut length, mut records) = (Vec::new(), 0, 0);
        for tx in txs {
            buffer.clear();
            encode(tx, &mut buffer)?;
            writer.write_all(&buffer)?;
            length += buffer.len() as u64;
            records += 1;
        }
        writer.into_inner().map_err(|error| error.into_error())?.sync_all()?;
        let file = append_handle(&fresh)?;
        fs::rename(&fresh, &self.path)?;
        (self.file, self.length, self.records) = (file, length, records);
        Ok(())
    }
}

fn append_handle(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).open(path)
}

fn encode(tx: &PooledTransaction, buffer: &mut Vec<u8>) -> io::Result<()> {
    let length = u32::try_from(tx.encode_2718_len()).ok().filter(|length| *length <= MAX_RECORD);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "transaction too large"))?;
    buffer.extend_from_slice(&length.to_be_bytes());
    tx.encode_2718(buffer);
    Ok(())
}

/// The transactions, and the length of the part that holds whole records.
fn read(file: &mut File) -> io::Result<(Vec<PooledTransaction>, u64)> {
    let mut reader = BufReader::new(file).take(MAX_FILE);
    let (mut txs, mut length, mut record) = (Vec::new(), 0, Vec::new());
    loop {
        let mut prefix = [0; 4];
        if !read_whole(&mut reader, &mut prefix)? {
            return Ok((txs, length));
        }
        let size = u32::from_be_bytes(prefix);
        if size > MAX_RECORD {
            return Ok((txs, length));
        }
        record.resize(size as usize, 0);
        if !read_whole(&mut reader, &mut record)? {
            return Ok((txs, length));
        }
        length += 4 + u64::from(size);
        match PooledTransaction::decode_2718_exact(&record) {
            Ok(tx) => txs.push(tx),
            Err(error) => tracing::warn!(%error, "a journaled transaction does not decode; it is left out"),
        }
    }
}

/// `false` at the end of the file, also in the middle of `buffer`.
fn read_whole(reader: &mut impl io::Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
