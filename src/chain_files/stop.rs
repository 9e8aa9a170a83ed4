//! Stopping a long command by SIGINT or SIGTERM: the first asks, the second does not wait.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};
use tokio::signal::unix::{SignalKind, signal};

/// What a shell expects of a process that ended by Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// A flag that the first SIGINT or SIGTERM sets.
///
/// # Errors
/// When the signal handlers cannot be set up.
pub fn flag() -> std::io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _entered = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let set = stop.clone();
    // Not waited for: it ends with the process.
    thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if set.swap(true, Ordering::Relaxed) {
                    // Whatever is on disk opens again, as after kill -9.
                    process::exit(INTERRUPTED.into());
                }
                eprintln!("stopping after the blocks under way …");
            }
        });
    })?;
    Ok(stop)
}
