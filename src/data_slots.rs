//! Numbered folders in a data directory that several replicas share: each takes the first that is free and keeps it
//! locked, so that a container that is made anew finds the data of one that is gone.

use fs4::fs_std::FileExt;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// More replicas than anybody runs on one volume.
const MAX_SLOTS: u32 = 1_000;

/// Takes a folder; it is free again when the file is dropped or the process ends, however it ends.
///
/// # Errors
/// When the directory cannot be written, or every slot is taken.
pub fn take(dir: &Path) -> io::Result<(PathBuf, File)> {
    for index in 0..MAX_SLOTS {
        let slot = dir.join(index.to_string());
        fs::create_dir_all(&slot)?;
        let lock = File::options().create(true).truncate(false).write(true).open(slot.join("slot.lock"))?;
        if FileExt::try_lock_exclusive(&lock)? {
            return Ok((slot, lock));
        }
    }
    Err(io::Error::other(format!("all {MAX_SLOTS} data slots in {} are in use", dir.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_get_different_slots_and_find_them_again() {
        let dir = tempfile::tempdir().unwrap();
        let (first, lock) = take(dir.path()).unwrap();
        let (second, _kept) = take(dir.path()).unwrap();
        assert_ne!(first, second);
        drop(lock);
        assert_eq!(take(dir.path()).unwrap().0, first);
    }
}
