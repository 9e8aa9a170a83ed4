//! What the runner is told.

use std::path::PathBuf;

/// Runs the public Ethereum test suites through Atoll's own code and prints a table of what passed.
#[derive(Debug, Clone, Default, clap::Parser)]
#[command(name = "conformance", version)]
pub struct Options {
    /// The suites: a directory, or an archive packed as .tar.zst [default: ../shared/conformance/conformance.tar.zst
    /// beside the checkout]
    #[arg(env = "ATOLL_CONFORMANCE", value_name = "PATH")]
    pub path: Option<PathBuf>,

    /// Run only files whose path contains this text
    #[arg(long, env = "ATOLL_CONFORMANCE_FILTER", value_name = "TEXT")]
    pub filter: Option<String>,

    /// Of a file that holds several cases, run only those whose name contains this text
    #[arg(long, value_name = "TEXT")]
    pub case: Option<String>,

    /// Print the files that would run, by suite, and run nothing
    #[arg(long)]
    pub list: bool,

    /// Leave out the bulkiest folders, whose cases mostly repeat others; what is left out counts as skipped
    #[arg(long, env = "ATOLL_CONFORMANCE_QUICK")]
    pub quick: bool,

    /// Leave out files whose path contains one of these texts; they count as skipped
    #[arg(long, env = "ATOLL_CONFORMANCE_SKIP", value_name = "TEXT", value_delimiter = ',')]
    pub skip: Vec<String>,

    /// Threads [default: one a core]
    #[arg(long, env = "ATOLL_CONFORMANCE_THREADS", value_name = "N")]
    pub threads: Option<usize>,
}

/// What `--quick` leaves out: renderings of state tests as one-block chains, and virtual machine tests that loop for
/// long. They take longer than everything else together.
pub(crate) const BULKY: [&str; 3] = [
    "BlockchainTests/GeneralStateTests/",
    "Cancun/GeneralStateTests/VMTests/",
    "Cancun/GeneralStateTests/stTimeConsuming/",
];

impl Options {
    /// Whether a file was asked for.
    pub(crate) fn wants(&self, path: &str) -> bool {
        self.filter.as_ref().is_none_or(|text| path.contains(text.as_str()))
    }

    /// Whether a file is left out to save time.
    pub(crate) fn leaves_out(&self, path: &str) -> bool {
        let bulky = self.quick && BULKY.iter().any(|folder| path.contains(folder));
        bulky || self.skip.iter().any(|text| !text.is_empty() && path.contains(text.as_str()))
    }
}
