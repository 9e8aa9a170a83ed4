//! The system's limit of open files: every connection is one, and shells allow 1,024 by default.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Files a node has open besides its JSON-RPC connections: tables, segments, peers, the registry.
const OTHERS: u64 = 1024;

/// Raises the soft limit to the hard one, which only an administrator can raise further. Says so in the log where
/// `connections` do not fit: the node runs all the same, and accepts no more than the system allows.
pub fn raise(connections: usize) {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        if soft < hard {
            setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        }
        Ok(hard)
    });
    match raised {
        Ok(limit) if limit < connections as u64 + OTHERS => {
            tracing::warn!(limit, connections, "fewer files may be open than connections are allowed (ulimit -Hn)");
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit of open files was not raised"),
    }
}
