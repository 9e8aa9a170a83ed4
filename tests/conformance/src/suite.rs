//! What a suite is to the runner, and how its cases report. It must not know formats.

use crate::{Failure, File, Files, Options, Report};

/// Why a case fails, for a person to read.
pub type Reason = String;

/// A family of files with one format.
#[derive(Clone, Copy)]
pub struct Suite {
    /// Its name in `--list`.
    pub name: &'static str,
    /// Takes the files of its format and makes jobs of them.
    pub discover: fn(&mut Files) -> Vec<Job>,
}

/// Why something is not run. Everything that the node has code for is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skip {
    /// Left out to save time, by `--quick` or `--skip`.
    LeftOut,
    /// No suite knows the file's format; the file is named.
    UnknownFormat,
    /// Blocks of an engine that this version does not run.
    NoEngine,
    /// A method of JSON-RPC that this version does not offer.
    NoMethod,
    /// A fee of more than 128 bits: nobody can pay it, and the types of transactions that this node shares with the
    /// Rust clients do not hold it.
    WideFee,
    /// A format or an algorithm that Ethereum does not use any more, or that only other parts of it use.
    NoSuchCode,
    /// The recorded answer is one client's own, and ours is right by the rule that is named.
    Ours(&'static str),
}

impl Skip {
    /// The reason, for a person to read.
    pub fn reason(self) -> &'static str {
        match self {
            Self::LeftOut => "left out to save time, by --quick or --skip",
            Self::UnknownFormat => "no suite knows the format of the file",
            Self::NoEngine => "this version does not run the consensus engine (clique, qbft, ibft)",
            Self::Ours(rule) => rule,
            Self::NoMethod => "this version does not offer the method",
            Self::WideFee => "a fee of more than 128 bits, which nobody can pay and our transactions do not hold",
            Self::NoSuchCode => {
                "about code that a node does not have (tries of unhashed keys, ECIES, VM without a transaction)"
            }
        }
    }
}

type Run = Box<dyn FnOnce(&mut Recorder<'_>) + Send>;

/// A part of a suite that runs on one thread.
pub struct Job {
    /// The suite's name in the table.
    pub suite: String,
    /// The file, or the folder, that it runs.
    pub path: String,
    /// The files it covers.
    pub files: Vec<String>,
    /// Heavier jobs start earlier: bytes of JSON, or as much as they take as long as.
    pub weight: u64,
    pub(crate) run: Run,
}

impl Job {
    /// A job of one file.
    pub fn new(suite: impl Into<String>, file: &File, run: impl FnOnce(&mut Recorder<'_>) + Send + 'static) -> Self {
        let (path, files) = (file.path.clone(), vec![file.path.clone()]);
        Self { suite: suite.into(), path, files, weight: file.bytes, run: Box::new(run) }
    }

    /// A job of a folder whose cases depend on each other.
    pub fn covering(
        suite: impl Into<String>,
        path: impl Into<String>,
        files: &[File],
        run: impl FnOnce(&mut Recorder<'_>) + Send + 'static,
    ) -> Self {
        let weight = files.iter().map(|file| file.bytes).sum();
        let files = files.iter().map(|file| file.path.clone()).collect();
        Self { suite: suite.into(), path: path.into(), files, weight, run: Box::new(run) }
    }

    /// With another weight.
    #[must_use]
    pub fn weighing(mut self, weight: u64) -> Self {
        self.weight = weight;
        self
    }
}

/// Takes the outcomes of a job's cases.
pub struct Recorder<'a> {
    pub(crate) options: &'a Options,
    pub(crate) suite: String,
    pub(crate) file: String,
    pub(crate) report: Report,
}

impl Recorder<'_> {
    /// Whether a file of the job was asked for.
    pub fn wants(&self, path: &str) -> bool {
        self.options.wants(path) && !self.options.leaves_out(path)
    }

    /// Whether a case of a file was asked for.
    pub fn wants_case(&self, case: &str) -> bool {
        self.options.case.as_ref().is_none_or(|text| case.contains(text.as_str()))
    }

    /// Names the file that the next cases come from.
    pub fn at(&mut self, path: &str) {
        path.clone_into(&mut self.file);
    }

    /// A case's outcome.
    pub fn record(&mut self, fork: &str, case: &str, outcome: Result<(), Reason>) {
        let counts = self.report.counts(&self.suite, fork);
        match outcome {
            Ok(()) => counts.passed += 1,
            Err(reason) => {
                counts.failed += 1;
                let (suite, file, case) = (self.suite.clone(), self.file.clone(), format!("{case} [{fork}]"));
                self.report.failures.push(Failure { suite, file, case, reason });
            }
        }
    }

    /// A case that is not run.
    pub fn skip(&mut self, fork: &str, case: &str, why: Skip) {
        self.report.skip(&self.suite, fork, why);
        if why == Skip::UnknownFormat {
            self.report.unknown.push(format!("{} {case}", self.file));
        }
    }
}
