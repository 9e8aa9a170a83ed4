//! Style sheet, script and icon, inside the program. Their URL changes with them, so browsers keep them for a year.

use alloy_primitives::{hex, keccak256};
use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use std::sync::LazyLock;

const STYLE: &str = include_str!("../../assets/style.css");
const SCRIPT: &str = include_str!("../../assets/explorer.js");
const ICON: &str = include_str!("../../assets/icon.svg");

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let hash = keccak256([STYLE, SCRIPT, ICON].concat());
    hex::encode(hash.get(..6).unwrap_or_default())
});

/// Changes with the assets.
pub fn version() -> &'static str {
    &VERSION
}

/// One of the assets.
pub async fn asset(Path(name): Path<String>) -> Response {
    let (kind, body) = match name.as_str() {
        "style.css" => ("text/css; charset=utf-8", STYLE),
        "explorer.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let keep = "public, max-age=31536000, immutable";
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep)], body).into_response()
}

/// Browsers ask for it whatever the page says.
pub async fn favicon() -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "public, max-age=86400")], ICON).into_response()
}
