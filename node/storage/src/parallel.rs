//! Work over many items on threads of its own. It must not know what the work is.
//!
//! Not on the threads that recover signatures: a block's reads would wait there behind the next blocks' senders. And not on
//! new threads each time: what a thread allocated has to find a new owner when it ends.

use rayon::{ThreadPool, ThreadPoolBuilder, prelude::*};
use std::{num::NonZero, sync::OnceLock, thread};

/// More threads than this gain little: parts of a block's work follow each other.
const MAX_THREADS: usize = 4;

fn threads() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS)
}

/// The threads; `None` where the system gives none, or another would not help.
fn pool() -> Option<&'static ThreadPool> {
    static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let build = || {
        let pool = ThreadPoolBuilder::new().num_threads(threads()).thread_name(|n| format!("storage-{n}")).build();
        pool.inspect_err(|error| tracing::warn!(%error, "state is read on one thread")).ok()
    };
    POOL.get_or_init(|| if threads() > 1 { build() } else { None }).as_ref()
}

/// Works on `items` side by side; the results in order.
pub(crate) fn each<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
    match pool() {
        Some(pool) => pool.install(|| items.into_par_iter().map(work).collect()),
        None => items.into_iter().map(work).collect(),
    }
}

/// Cuts `items` into a part for each core and works on the parts side by side; the results in order.
pub(crate) fn over<T: Sync, R: Send>(items: &[T], work: impl Fn(&[T]) -> R + Sync + Send) -> Vec<R> {
    if items.is_empty() {
        return Vec::new();
    }
    each(items.chunks(items.len().div_ceil(threads())).collect(), work)
}

#[cfg(test)]
mod tests {
    use super::{each, over};

    #[test]
    fn every_item_is_worked_on_once_and_in_order() {
        for count in [0, 1, 2, 3, 7, 64, 1001] {
            let items: Vec<u32> = (0..count).collect();
            let found: Vec<u32> = over(&items, <[u32]>::to_vec).concat();
            assert_eq!(found, items);
            assert_eq!(each(items.clone(), |item| item), items);
        }
    }
}
