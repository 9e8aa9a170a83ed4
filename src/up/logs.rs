//! Log files: bounded in size, followed on screen with `--verbose`, quoted when a process fails.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};

/// A log file larger than this starts over; the previous one stays beside it with `.1` added.
const MAX_BYTES: u64 = 32 << 20;
/// How often files are looked at.
const PERIOD: Duration = Duration::from_millis(200);

/// Puts a file that has grown too large aside.
///
/// # Errors
/// When it cannot be copied.
pub fn rotate(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(data) if data.len() > MAX_BYTES => {
            let mut aside = path.as_os_str().to_owned();
            aside.push(".1");
            fs::copy(path, aside)?;
            // The writer appends, so it goes on at the new end. A line written between copy and cut is lost.
            File::options().write(true).open(path)?.set_len(0)
        }
        _ => Ok(()),
    }
}

/// The last lines of a file, at most 4 KiB.
pub fn tail(path: &Path) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(4096)))?;
        let mut bytes = Vec::new();
        file.take(4096).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

/// Keeps the files bounded and, with `show`, prints each new line with its process's name in front. Never ends.
pub async fn follow(files: Vec<(String, PathBuf)>, show: bool) {
    let size = |path: &Path| fs::metadata(path).map_or(0, |data| data.len());
    let mut positions: Vec<u64> = files.iter().map(|(_, path)| size(path)).collect();
    loop {
        tokio::time::sleep(PERIOD).await;
        for ((name, path), position) in files.iter().zip(&mut positions) {
            if show {
                *position = print_new(name, path, *position).unwrap_or(*position);
            }
            if let Err(error) = rotate(path) {
                eprintln!("{}: cannot put the log file aside: {error}", path.display());
            }
        }
    }
}

/// Prints whole lines from `position` on; returns where the next begins.
fn print_new(name: &str, path: &Path, position: u64) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    // A file that was put aside starts over.
    let from = if size < position { 0 } else { position };
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(1 << 20).read_to_end(&mut bytes)?;
    let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Ok(from) };
    for line in String::from_utf8_lossy(&bytes[..end]).lines() {
        println!("{name:>10} | {line}");
    }
    Ok(from + end as u64 + 1)
}
