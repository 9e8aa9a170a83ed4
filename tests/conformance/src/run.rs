//! From options to an outcome: opens the material, lets the suites discover their jobs, runs them on threads of their
//! own, prints the report.
//!
//! The threads are not rayon's: a job that waits inside the code under test, which uses rayon, must not be made to
//! start another job meanwhile.

use crate::{
    DEFAULT_PATH, Failure, Job, Material, MaterialError, Options, Recorder, Report, Skip,
    suites::{SUITES, row},
};
use std::{
    any::Any,
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Tests nest calls 1,024 deep; what the interpreter keeps on the stack for them fits well into this.
const STACK_BYTES: usize = 32 << 20;
/// How often progress is told on standard error.
const PROGRESS: Duration = Duration::from_secs(15);

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// There is nothing to run at the default place.
    Absent,
    /// Only the files were to be listed.
    Listed,
    /// It ran.
    Ran(Report),
    /// It could not run.
    Failed,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Absent | Outcome::Listed => Self::SUCCESS,
            Outcome::Ran(report) if report.failures.is_empty() => Self::SUCCESS,
            Outcome::Ran(_) | Outcome::Failed => Self::FAILURE,
        }
    }
}

/// Runs what the options ask for, and prints the report on standard output.
pub fn run(options: &Options) -> Outcome {
    match prepare(options) {
        Ok((jobs, report)) if options.list => {
            list(&jobs, &report);
            Outcome::Listed
        }
        Ok((jobs, report)) => {
            let report = execute(options, jobs, report);
            print!("{report}");
            Outcome::Ran(report)
        }
        Err(MaterialError::Absent(path)) if options.path.is_none() => {
            println!(
                "conformance: skipped, because {} does not exist; name the suites by ATOLL_CONFORMANCE",
                path.display()
            );
            Outcome::Absent
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            eprintln!("error: {error}{cause}");
            Outcome::Failed
        }
    }
}

/// The jobs asked for, and what is skipped already.
fn prepare(options: &Options) -> Result<(Vec<Job>, Report), MaterialError> {
    let path = options.path.clone().unwrap_or_else(|| Path::new(DEFAULT_PATH).components().collect());
    let material = Material::open(&path, &scratch())?;
    let mut files = material.files()?;
    let mut report = Report::default();
    let mut jobs = Vec::new();
    // What the material says about itself.
    files.take(|file| file.name().starts_with("README") || file.name().starts_with("LICENSE"));
    for suite in SUITES {
        jobs.extend((suite.discover)(&mut files));
    }
    for file in files.iter().filter(|file| options.wants(&file.path)) {
        report.skip(&row(&file.path), "-", Skip::UnknownFormat);
        report.unknown.push(file.path.clone());
    }
    jobs.retain(|job| job.files.iter().any(|path| options.wants(path)));
    jobs.retain(|job| {
        let run = job.files.iter().any(|path| !options.leaves_out(path));
        if !run {
            report.skip(&job.suite, "-", Skip::LeftOut);
        }
        run
    });
    // The longest first, so that no thread is left with one at the end.
    jobs.sort_by(|a, b| b.weight.cmp(&a.weight).then_with(|| a.path.cmp(&b.path)));
    Ok((jobs, report))
}

/// Archives are unpacked beside the build, or else among temporary files.
fn scratch() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    if built.is_dir() { built } else { std::env::temp_dir() }
}

fn list(jobs: &[Job], report: &Report) {
    let mut lines: Vec<String> =
        jobs.iter().flat_map(|job| job.files.iter().map(|file| format!("{}: {file}", job.suite))).collect();
    lines.sort();
    lines.iter().for_each(|line| println!("{line}"));
    print!("{report}");
}

fn execute(options: &Options, jobs: Vec<Job>, report: Report) -> Report {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = options.threads.unwrap_or(cores).max(1);
    let total = jobs.len();
    let (queue, report) = (Mutex::new(VecDeque::from(jobs)), Mutex::new(report));
    let started = Instant::now();
    let next = || {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        let job = queue.pop_front();
        (job, total - queue.len())
    };
    let told = Mutex::new(started);
    let work = || {
        while let (Some(job), number) = next() {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.elapsed() >= PROGRESS {
                *told = Instant::now();
                eprintln!("{} s: {number} of {total}, {}", started.elapsed().as_secs(), job.path);
            }
            drop(told);
            let one = run_job(options, job);
            report.lock().unwrap_or_else(PoisonError::into_inner).merge(one);
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            let spawned = thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
            if let Err(error) = spawned {
                // The others, or this thread below, do its share.
                eprintln!("a thread could not be started: {error}");
            }
        }
    });
    work();
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.failures.sort();
    report.unknown.sort();
    eprintln!("{} s on {threads} threads", started.elapsed().as_secs());
    report
}

fn run_job(options: &Options, job: Job) -> Report {
    let Job { suite, path, run, .. } = job;
    let mut recorder = Recorder { options, suite, file: path, report: Report::default() };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(&mut recorder))) {
        let reason = format!("panicked: {}", message(panic.as_ref()));
        let Recorder { suite, file, report, .. } = &mut recorder;
        report.counts(suite, "-").failed += 1;
        report.failures.push(Failure { suite: suite.clone(), file: file.clone(), case: "-".into(), reason });
    }
    recorder.report
}

/// What a panic said.
pub(crate) fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}
