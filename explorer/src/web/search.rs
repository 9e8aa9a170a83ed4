//! From what was typed to the page it means.

use super::{AppState, failure::Failure};
use alloy_primitives::{Address, B256};
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

/// What was typed.
#[derive(Deserialize)]
pub struct Sought {
    #[serde(default)]
    q: String,
}

/// `GET /search?q=`
pub async fn page(State(app): State<AppState>, sought: Result<Query<Sought>, QueryRejection>) -> Response {
    let typed = sought.map(|Query(sought)| sought.q).unwrap_or_default();
    match target(&app, typed.trim()).await {
        Ok(Some(path)) => Redirect::to(&path).into_response(),
        Ok(None) => {
            Failure::NotFound { what: "block, transaction or address", sought: typed.trim().to_owned() }.page(&app)
        }
        Err(failure) => failure.page(&app),
    }
}

async fn target(app: &AppState, typed: &str) -> Result<Option<String>, Failure> {
    if typed.is_empty() {
        return Ok(Some("/".to_owned()));
    }
    // Numbers are shown with separators, so they may be pasted with them.
    let plain = typed.trim_start_matches('#').replace([',', ' ', '_'], "");
    if let Ok(number) = plain.parse::<u64>() {
        let known = app.read(move |index| index.block(number)).await?.is_some();
        return Ok(known.then(|| format!("/block/{number}")));
    }
    if let Ok(address) = typed.parse::<Address>() {
        return Ok(Some(format!("/address/{address}")));
    }
    let Ok(hash) = typed.parse::<B256>() else { return Ok(None) };
    let (transaction, block) = app.read(move |index| Ok((index.place(&hash)?, index.number(&hash)?))).await?;
    if transaction.is_none() && block.is_some() {
        return Ok(Some(format!("/block/{hash}")));
    }
    let known = transaction.is_some() || app.live.transaction(hash).await.flatten().is_some();
    Ok(known.then(|| format!("/tx/{hash}")))
}
