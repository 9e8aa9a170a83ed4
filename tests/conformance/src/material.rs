//! Where the suites lie: a directory, or an archive that is unpacked once beside the build. It must not know formats.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

/// Where the archive lies by default: beside the checkout.
pub const DEFAULT_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance/conformance.tar.zst");
/// Largest window accepted of an archive, as a power of two: the memory that unpacking takes (512 MiB).
const MAX_WINDOW_LOG: u32 = 29;
/// Written last, so that an unpacking that was broken off is begun again.
const COMPLETE: &str = ".complete";

/// Why there are no suites.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// Nothing is there.
    #[error("{0} does not exist")]
    Absent(PathBuf),
    /// It cannot be read or unpacked.
    #[error("{path} cannot be read or unpacked")]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The suites on disk.
#[derive(Debug, Clone)]
pub struct Material {
    root: PathBuf,
}

impl Material {
    /// Opens a directory, or unpacks an archive of the form `.tar.zst` below `scratch` unless that was done before.
    ///
    /// # Errors
    /// [`MaterialError::Absent`] if there is nothing at `path`.
    pub fn open(path: &Path, scratch: &Path) -> Result<Self, MaterialError> {
        if path.is_dir() {
            return Ok(Self { root: path.into() });
        }
        if !path.exists() {
            return Err(MaterialError::Absent(path.into()));
        }
        let failed = |source| MaterialError::Io { path: path.into(), source };
        Ok(Self { root: unpack(path, scratch).map_err(failed)? })
    }

    /// All files, in the order of their paths.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub fn files(&self) -> Result<Files, MaterialError> {
        let mut all = Vec::new();
        collect(&self.root, String::new(), &mut all)
            .map_err(|source| MaterialError::Io { path: self.root.clone(), source })?;
        Ok(Files { files: all })
    }
}

/// Unpacks into a folder named after the archive's length and time, so that another archive gets another folder.
fn unpack(archive: &Path, scratch: &Path) -> io::Result<PathBuf> {
    let about = fs::metadata(archive)?;
    let time = about.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let folder = scratch.join(format!("conformance-{}-{time}", about.len()));
    if folder.join(COMPLETE).exists() {
        return Ok(folder);
    }
    eprintln!("unpacking {} into {}", archive.display(), folder.display());
    fs::create_dir_all(&folder)?;
    let mut decoder = zstd::Decoder::new(fs::File::open(archive)?)?;
    decoder.window_log_max(MAX_WINDOW_LOG)?;
    tar::Archive::new(decoder).unpack(&folder)?;
    fs::write(folder.join(COMPLETE), "")?;
    Ok(folder)
}

fn collect(folder: &Path, prefix: String, all: &mut Vec<File>) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let about = fs::metadata(entry.path())?;
        if about.is_dir() {
            collect(&entry.path(), path, all)?;
        } else if name != COMPLETE {
            all.push(File { path, bytes: about.len(), on_disk: entry.path() });
        }
    }
    Ok(())
}

/// A file of the suites.
#[derive(Debug, Clone)]
pub struct File {
    /// Its path in the material, with `/` between folders.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Where it lies.
    pub on_disk: PathBuf,
}

impl File {
    /// Its contents.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self) -> Result<Vec<u8>, String> {
        fs::read(&self.on_disk).map_err(|error| format!("{}: {error}", self.path))
    }

    /// Its contents as text.
    ///
    /// # Errors
    /// It cannot be read, or is no UTF-8.
    pub fn text(&self) -> Result<String, String> {
        fs::read_to_string(&self.on_disk).map_err(|error| format!("{}: {error}", self.path))
    }

    /// The folder it is in, without a `/` at the end.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Its name without folders.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The file of this name beside it.
    pub fn sibling(&self, name: &str) -> Self {
        let folder = self.folder();
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        Self { path, bytes: 0, on_disk: self.on_disk.with_file_name(name) }
    }
}

/// Files that no suite took yet.
#[derive(Debug)]
pub struct Files {
    files: Vec<File>,
}

impl Files {
    /// Takes the files that `known` says are the suite's.
    pub fn take(&mut self, mut known: impl FnMut(&File) -> bool) -> Vec<File> {
        let (taken, left) = std::mem::take(&mut self.files).into_iter().partition(|file| known(file));
        self.files = left;
        taken
    }

    /// Looks without taking.
    pub fn iter(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }
}
