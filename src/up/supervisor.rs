//! All processes of the network together: who runs, with what PID, and the order of stopping.

use super::{
    UpError,
    data_dir::DataDir,
    logs,
    network_file::{self, NetworkFile, ProcessEntry},
    plan::{Plan, Role},
    process::{self, OnPid},
};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Those in front first, so that no one is asked who cannot answer any more.
const STOP_ORDER: [&[Role]; 3] =
    [&[Role::Balancer, Role::Explorer], &[Role::Miner, Role::Client], &[Role::Stats, Role::Registry]];
/// All of it together; Ctrl-C ends everything within five seconds.
const STOP_LIMIT: Duration = Duration::from_millis(4_500);

struct State {
    file: NetworkFile,
    ends: Vec<u32>,
    announced: bool,
}

/// The running processes.
pub struct Supervisor {
    dir: PathBuf,
    state: Arc<Mutex<State>>,
    tasks: Mutex<Vec<(Role, CancellationToken, JoinHandle<()>)>>,
    follower: JoinHandle<()>,
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Nothing that holds the lock can leave it half-changed.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Supervisor {
    /// Starts every process.
    ///
    /// # Errors
    /// When one cannot be started at all.
    pub async fn start(plan: &Plan, dir: &DataDir, verbose: bool) -> Result<Self, UpError> {
        // A file from a network that was killed would point at processes that are gone.
        let _ = std::fs::remove_file(dir.path().join(network_file::NAME));
        let files = plan.processes.iter().map(|process| (process.name.clone(), process.log.clone())).collect();
        let follower = tokio::spawn(logs::follow(files, verbose));
        let state = Arc::new(Mutex::new(State {
            file: describe(plan, dir),
            ends: vec![0; plan.processes.len()],
            announced: false,
        }));
        let supervisor = Self { dir: dir.path().into(), state: state.clone(), tasks: Mutex::default(), follower };
        let on_pid = on_pid(state, dir.path().into());
        for planned in &plan.processes {
            let child =
                process::spawn(planned).map_err(|source| UpError::Spawn { name: planned.name.clone(), source })?;
            let stop = CancellationToken::new();
            let task = tokio::spawn(process::supervise(planned.clone(), child, stop.clone(), on_pid.clone()));
            supervisor.tasks().push((planned.role, stop, task));
        }
        Ok(supervisor)
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<(Role, CancellationToken, JoinHandle<()>)>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process that has ended `times` or more since the start: its place in the plan and how often it ended.
    pub fn failing(&self, times: u32) -> Option<(usize, u32)> {
        let state = locked(&self.state);
        state.ends.iter().copied().enumerate().find(|(_, ends)| *ends >= times)
    }

    /// Writes `network.json`, and again with each change of a PID from now on.
    pub fn announce(&self) {
        let mut state = locked(&self.state);
        state.announced = true;
        write(&state.file, &self.dir);
    }

    /// Stops everything in order, within five seconds.
    pub async fn stop(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks());
        let in_order = async {
            for roles in STOP_ORDER {
                let group = || tasks.iter().filter(|(role, ..)| roles.contains(role));
                group().for_each(|(_, stop, _)| stop.cancel());
                let mut rest = Vec::new();
                for (role, stop, task) in std::mem::take(&mut tasks) {
                    if roles.contains(&role) {
                        // A task that panicked has dropped its child, and that killed it.
                        let _ = task.await;
                    } else {
                        rest.push((role, stop, task));
                    }
                }
                tasks = rest;
            }
        };
        // What is left then is dropped, which kills it.
        let _ = tokio::time::timeout(STOP_LIMIT, in_order).await;
        self.follower.abort();
        let _ = std::fs::remove_file(self.dir.join(network_file::NAME));
    }
}

fn describe(plan: &Plan, dir: &DataDir) -> NetworkFile {
    NetworkFile {
        chain_id: dir.spec().chain_id,
        network_id: plan.network_id,
        genesis_hash: dir.genesis_hash(),
        rpc: plan.rpc.clone(),
        ws: plan.ws.clone(),
        explorer: plan.explorer.clone(),
        stats: plan.stats.clone(),
        registry: plan.registry.clone(),
        processes: plan
            .processes
            .iter()
            .map(|process| ProcessEntry {
                name: process.name.clone(),
                role: process.role.name().into(),
                pid: None,
                log: process.log.clone(),
                rpc: process.rpc.clone(),
            })
            .collect(),
    }
}

fn on_pid(state: Arc<Mutex<State>>, dir: PathBuf) -> OnPid {
    Arc::new(move |name, pid| {
        let mut state = locked(&state);
        let Some(index) = state.file.processes.iter().position(|process| process.name == name) else { return };
        state.file.processes[index].pid = pid;
        if pid.is_none() {
            state.ends[index] += 1;
        }
        if state.announced {
            write(&state.file, &dir);
        }
    })
}

fn write(file: &NetworkFile, dir: &std::path::Path) {
    if let Err(error) = file.write(dir) {
        eprintln!("cannot write {}: {error}", dir.join(network_file::NAME).display());
    }
}
