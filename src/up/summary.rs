//! The summary printed once the network is ready.

use super::{data_dir::DataDir, network_file, plan::Plan};
use crate::accounts::DevAccount;
use std::time::Duration;

/// Prints where everything is.
pub fn print(plan: &Plan, dir: &DataDir, accounts: &[DevAccount], took: Duration) {
    println!("Ready in {:.1} s\n", took.as_secs_f64());
    println!("  JSON-RPC    {}   WebSocket  {}", plan.rpc, plan.ws);
    if let Some(url) = &plan.explorer {
        println!("  Explorer    {url}");
    }
    if let Some(url) = &plan.stats {
        println!("  Stats       {url}");
    }
    println!("  Chain ID    {}", dir.spec().chain_id);
    println!("  Network ID  {}", plan.network_id);
    println!("  Data        {}   (facts for scripts: {})", dir.path().display(), network_file::NAME);
    if !accounts.is_empty() {
        println!("\n  Development accounts. UNSAFE: everyone knows these keys; never use them for anything real.");
        for (index, account) in accounts.iter().take(10).enumerate() {
            println!("  ({index}) {}  {}", account.address, account.key);
        }
        if accounts.len() > 10 {
            println!("  … and {} more: `atoll account dev --accounts {}`", accounts.len() - 10, accounts.len());
        }
    }
    println!("\n  State of the network: `atoll status`.   Stop: Ctrl-C.");
}
