//! Announces the page in the registries, so that the balancer finds it. Knows only the registry's client.

use crate::config::{StatsConfig, StatsError};
use atoll_discovery::{Head, NodeInfo, RecordSigner, Registration, RegistryClient, roles};
use std::net::SocketAddr;
use std::sync::Arc;

fn announce_error(error: impl std::error::Error + Send + Sync + 'static) -> StatsError {
    StatsError::Announce(Box::new(error))
}

/// Registers and keeps renewing until the answer is dropped; `None` without registries.
///
/// The identity is made anew at every start: nobody refers to a stats page by its key.
pub(crate) fn announce(config: &StatsConfig, bound: SocketAddr) -> Result<Option<Registration>, StatsError> {
    if config.registries.is_empty() {
        return Ok(None);
    }
    let client = RegistryClient::new(&config.registries).map_err(announce_error)?;
    let info = NodeInfo {
        name: config.name.clone(),
        http: Some(public_url(config, bound)),
        network_id: config.network_id,
        chain_id: config.chain_id,
        genesis_hash: config.genesis_hash,
        roles: vec![roles::STATS.to_owned()],
        client: concat!("atoll/", env!("CARGO_PKG_VERSION")).to_owned(),
        ..NodeInfo::default()
    };
    Registration::spawn(client, Arc::new(signer()), &info, Head::default).map(Some).map_err(announce_error)
}

fn signer() -> RecordSigner {
    loop {
        let secret: [u8; 32] = rand::random();
        // Zero and values beyond the curve's order come about once in 2^127 draws.
        if let Ok(signer) = RecordSigner::from_secret(&secret) {
            return signer;
        }
    }
}

/// Where others reach the page.
fn public_url(config: &StatsConfig, bound: SocketAddr) -> String {
    if let Some(url) = &config.public_url {
        return url.trim_end_matches('/').to_owned();
    }
    if bound.ip().is_unspecified() {
        tracing::warn!(%bound, "no public URL is set: only this machine will find the stats page by the registry");
        return format!("http://127.0.0.1:{}", bound.port());
    }
    format!("http://{bound}")
}
