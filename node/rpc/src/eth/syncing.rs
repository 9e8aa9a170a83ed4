//! The shape of `eth_syncing`.

use crate::SyncProgress;
use serde::Serialize;

/// `false` in sync, else the progress.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum SyncingJson {
    No(bool),
    #[serde(rename_all = "camelCase")]
    Yes {
        #[serde(with = "alloy_serde::quantity")]
        starting_block: u64,
        #[serde(with = "alloy_serde::quantity")]
        current_block: u64,
        #[serde(with = "alloy_serde::quantity")]
        highest_block: u64,
    },
}

impl From<Option<SyncProgress>> for SyncingJson {
    fn from(progress: Option<SyncProgress>) -> Self {
        match progress {
            None => Self::No(false),
            Some(SyncProgress { starting, current, highest }) => {
                Self::Yes { starting_block: starting, current_block: current, highest_block: highest }
            }
        }
    }
}
