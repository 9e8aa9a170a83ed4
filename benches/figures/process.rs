//! What this process used so far: CPU time, memory, bytes written. From /proc, so Linux only; it must not know what
//! is measured.

use std::{fs, time::Duration};

/// CPU time of all threads, user and system.
pub fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // Fields are counted behind the command's name, which may hold spaces.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // 100 a second on every Linux this is measured on.
    Duration::from_millis(ticks * 10)
}

fn status(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Resident memory in MiB: now, and at its highest.
pub fn memory() -> (u64, u64) {
    (status("VmRSS:") / 1024, status("VmHWM:") / 1024)
}

/// Bytes handed to the system to write.
pub fn written() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap();
    line.parse().unwrap()
}

/// Bytes of a directory, with what lies below.
pub fn disk(dir: &std::path::Path) -> u64 {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| if entry.path().is_dir() { disk(&entry.path()) } else { entry.metadata().unwrap().len() }).sum()
}
