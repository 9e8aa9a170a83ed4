//! Turns what the registries list, and the static lists, into targets. Knows records, not health.

use crate::config::BalancerConfig;
use crate::targets::TargetInfo;
use atoll_discovery::{Entry, roles};

/// The targets of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) nodes: Vec<TargetInfo>,
    pub(crate) explorers: Vec<TargetInfo>,
    pub(crate) stats: Vec<TargetInfo>,
}

impl Wanted {
    /// Static targets first, then those of the registries; a URL counts once.
    pub(crate) fn gather(config: &BalancerConfig, entries: &[Entry]) -> Self {
        let page = |url: &String| TargetInfo { ws: None, name: url.clone(), url: clean(url), miner: false };
        let mut wanted = Self {
            nodes: config.nodes.iter().map(|url| node(url, None, url, false)).collect(),
            explorers: config.explorers.iter().map(page).collect(),
            stats: config.stats.iter().map(page).collect(),
        };
        for info in entries.iter().map(|entry| &entry.record.info) {
            let has = |role: &str| info.roles.iter().any(|own| own == role);
            if let Some(rpc) = &info.rpc {
                wanted.nodes.push(node(rpc, info.ws.as_deref(), &info.name, has(roles::MINER)));
            }
            if let Some(http) = &info.http {
                let target = TargetInfo { url: clean(http), ws: None, name: info.name.clone(), miner: false };
                if has(roles::EXPLORER) {
                    wanted.explorers.push(target.clone());
                }
                if has(roles::STATS) {
                    wanted.stats.push(target);
                }
            }
        }
        // Stats pages hold state, so all traffic goes to the first: every balancer must agree which that is.
        wanted.stats.sort_by(|a, b| a.url.cmp(&b.url));
        wanted
    }
}

fn node(rpc: &str, ws: Option<&str>, name: &str, miner: bool) -> TargetInfo {
    let url = clean(rpc);
    // Without a URL of its own the WebSocket is on the same port, as our nodes have it.
    let ws = ws.map(str::to_owned).or_else(|| url.strip_prefix("http://").map(|rest| format!("ws://{rest}")));
    TargetInfo { ws, name: if name.is_empty() { url.clone() } else { name.to_owned() }, url, miner }
}

fn clean(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}
