//! Finds the files of a suite runs them on two threads, counts, and reports every failure.
//! `ATOLL_CONFORMANCE_SKIP` leaves out paths that contain one of its comma-separated parts.

use rayon::prelude::*;
use std::{
    env,
    path::{Path, PathBuf},
};

/// Failures printed in full; the rest are counted by file.
const SHOWN: usize = 60;

/// How many cases of a file passed, and what failed.
#[derive(Default)]
pub struct Tally {
    pub passed: usize,
    pub failures: Vec<String>,
}

/// Runs every JSON file under `folder` of the suites.
pub fn run(folder: &str, run_file: fn(&str, &str) -> Tally) {
    let Some(root) = env::var_os("ATOLL_CONFORMANCE").map(PathBuf::from) else {
        println!("skipped: ATOLL_CONFORMANCE is not set, so there are no files of {folder}");
        return;
    };
    let filter = env::var("ATOLL_CONFORMANCE_FILTER").unwrap_or_default();
    let mut files = Vec::new();
    collect(&root.join(folder), &mut files);
    files.retain(|path| path.to_string_lossy().contains(&filter));
    assert!(!files.is_empty(), "no JSON file under {folder} matches {filter:?}");
    let found = files.len();
    let skip = env::var("ATOLL_CONFORMANCE_SKIP").unwrap_or_default();
    files.retain(|path| !skip.split(',').any(|part| !part.is_empty() && path.to_string_lossy().contains(part)));
    if files.len() < found {
        println!("skipped: {} files of {folder}, by ATOLL_CONFORMANCE_SKIP", found - files.len());
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).stack_size(16 << 20).build().unwrap();
    let tallies: Vec<Tally> = pool.install(|| {
        files
            .par_iter()
            .map(|path| {
                let name = path.strip_prefix(&root).unwrap_or(path).to_string_lossy().into_owned();
                run_file(&name, &std::fs::read_to_string(path).unwrap())
            })
            .collect()
    });
    let passed: usize = tallies.iter().map(|tally| tally.passed).sum();
    let failures: Vec<&String> = tallies.iter().flat_map(|tally| &tally.failures).collect();
    println!("{folder}: {} files, {passed} passed, {} failed", files.len(), failures.len());
    for failure in failures.iter().take(SHOWN) {
        println!("  {failure}");
    }
    for (path, tally) in files.iter().zip(&tallies).filter(|(_, tally)| !tally.failures.is_empty()) {
        println!("  {} failed in {}", tally.failures.len(), path.display());
    }
    assert!(failures.is_empty(), "{} of {} cases failed", failures.len(), passed + failures.len());
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
}
