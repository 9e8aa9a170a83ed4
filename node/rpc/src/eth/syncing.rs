//! The shapes of `eth_syncing` and of the `syncing` subscription.

use crate::SyncProgress;
use serde::Serialize;

/// How far a node is that catches up.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Progress {
    #[serde(with = "alloy_serde::quantity")]
    starting_block: u64,
    #[serde(with = "alloy_serde::quantity")]
    current_block: u64,
    #[serde(with = "alloy_serde::quantity")]
    highest_block: u64,
}

impl From<SyncProgress> for Progress {
    fn from(SyncProgress { starting, current, highest }: SyncProgress) -> Self {
        Self { starting_block: starting, current_block: current, highest_block: highest }
    }
}

/// `eth_syncing`: `false` in sync, else the progress.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum SyncingJson {
    No(bool),
    Yes(Progress),
}

impl From<Option<SyncProgress>> for SyncingJson {
    fn from(progress: Option<SyncProgress>) -> Self {
        progress.map_or(Self::No(false), |progress| Self::Yes(progress.into()))
    }
}

/// The subscription: `false` in sync, else an object that says so too (geth).
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum SyncStatus {
    No(bool),
    Yes { syncing: bool, status: Progress },
}

impl From<Option<SyncProgress>> for SyncStatus {
    fn from(progress: Option<SyncProgress>) -> Self {
        progress.map_or(Self::No(false), |progress| Self::Yes { syncing: true, status: progress.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &impl Serialize) -> String {
        serde_json::to_string(value).unwrap()
    }

    #[test]
    fn shapes_are_geths() {
        let progress = Some(SyncProgress { starting: 1, current: 2, highest: 16 });
        assert_eq!(json(&SyncStatus::from(None)), "false");
        assert_eq!(json(&SyncingJson::from(None)), "false");
        let object = r#"{"startingBlock":"0x1","currentBlock":"0x2","highestBlock":"0x10"}"#;
        assert_eq!(json(&SyncingJson::from(progress)), object);
        assert_eq!(json(&SyncStatus::from(progress)), format!(r#"{{"syncing":true,"status":{object}}}"#));
    }
}
