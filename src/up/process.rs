//! One supervised process: started, watched, started again when it dies, stopped politely.

use super::{logs, plan::ProcessPlan};
use std::{
    fs::File,
    io,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

/// First wait before a restart; doubles while a process keeps dying young.
const FIRST_WAIT: Duration = Duration::from_millis(300);
/// Longest wait before a restart.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// A process that lived this long has started well: the next restart is prompt again.
const HEALTHY_LIFE: Duration = Duration::from_secs(20);
/// How long a process may take to stop before it is killed. All of `up` stops within five seconds.
const STOP_LIMIT: Duration = Duration::from_millis(3_500);

/// Called with each change of a process's PID.
pub type OnPid = Arc<dyn Fn(&str, Option<u32>) + Send + Sync>;

/// Starts a process: standard output and error go to its log file, standard input stays open as long as we live.
///
/// # Errors
/// When the log file or the program cannot be opened.
pub fn spawn(plan: &ProcessPlan) -> io::Result<Child> {
    logs::rotate(&plan.log)?;
    let log = File::options().create(true).append(true).open(&plan.log)?;
    let mut command = Command::new(std::env::current_exe()?);
    // Variables set for `up` are not meant for its children, whose flags say all they need.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ATOLL_")) {
        command.env_remove(name);
    }
    command
        .args(&plan.args)
        .envs(plan.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        // A group of its own: Ctrl-C in the terminal reaches us alone, and we stop them in order.
        .process_group(0)
        .kill_on_drop(true);
    command.spawn()
}

/// Keeps a process running until `stop` is cancelled; returns once it has ended.
pub async fn supervise(plan: ProcessPlan, mut child: Child, stop: CancellationToken, on_pid: OnPid) {
    let mut wait = FIRST_WAIT;
    loop {
        let started = Instant::now();
        // Waiting for a child closes its standard input, which would tell it that we are gone: the pipe is kept here.
        let _open = child.stdin.take();
        on_pid(&plan.name, child.id());
        tokio::select! {
            status = child.wait() => {
                on_pid(&plan.name, None);
                eprintln!("{} {}; starting it again", plan.name, describe(status));
            }
            () = stop.cancelled() => return end(&plan, child).await,
        }
        if started.elapsed() >= HEALTHY_LIFE {
            wait = FIRST_WAIT;
        }
        child = loop {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return,
            }
            wait = (wait * 2).min(LONGEST_WAIT);
            match spawn(&plan) {
                Ok(child) => break child,
                Err(error) => eprintln!("{} cannot be started: {error}; trying again", plan.name),
            }
        };
    }
}

fn describe(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("ended ({status})"),
        Err(error) => format!("is gone ({error})"),
    }
}

/// SIGTERM, then SIGKILL when that is not heeded in time.
async fn end(plan: &ProcessPlan, mut child: Child) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It may have ended this moment: then there is nobody to signal, and that is fine.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM);
    }
    if tokio::time::timeout(STOP_LIMIT, child.wait()).await.is_err() {
        eprintln!("{} did not stop within {STOP_LIMIT:?} and was killed; nothing is lost by that", plan.name);
        // As above: an error means that it has ended.
        let _ = child.kill().await;
    }
}
