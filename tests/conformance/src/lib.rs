//! Runs the public Ethereum test suites through the node's own doors: `chain::import`, the executor, the genesis
//! reader, a served JSON-RPC port. It must not know a rule of Ethereum itself; what it knows is the suites' formats.
//!
//! [`Material`] is a directory or an archive of suites. Every [`Suite`] takes the files it knows, by their folder and
//! format and never from a list of names, and makes [`Job`]s of them. Jobs run on as many threads as there are cores
//! and write every case's outcome into a [`Recorder`]; [`Report`] adds them up and prints the table.
//!
//! # How to add a suite
//!
//! 1. Add a module under `suites` with a `pub const SUITE: Suite`. Its `discover` function gets the [`Files`] that no
//!    earlier suite took; it takes its own with [`Files::take`] (companions such as a genesis file too, so that they do
//!    not show as unknown) and returns jobs. A suite of single files makes one job a file; a suite whose cases share
//!    a node makes one job of its folder, and names the case files in it ([`Job::covering`]), so that `--filter` finds
//!    them.
//! 2. In the job, call [`Recorder::record`] once a case with the fork (or the method, or `-`) for the table's row, the
//!    case's name and `Ok` or the reason. Ask [`Recorder::wants`] first where a job holds several files. Whatever is not
//!    run is [`Recorder::skip`]ped with a [`Skip`] reason. A panic of the code under test is a failure of the job.
//! 3. Name the suite in `suites::SUITES`, before any that would take the same files.
//!
//! For JSON-RPC there is [`node::RpcNode`]: a chain, a pool and a server on a free port in this process, with a blocking
//! `post`. For chains there is [`chains`].

pub mod chains;
mod exceptions;
pub mod json;
mod material;
mod memory;
mod network;
pub mod node;
mod options;
mod report;
mod rule;
mod run;
mod schema;
mod suite;
mod suites;

pub use material::{DEFAULT_PATH, File, Files, Material, MaterialError};
pub use options::Options;
pub use report::{Failure, Report};
pub use run::{Outcome, run};
pub use suite::{Job, Reason, Recorder, Skip, Suite};
