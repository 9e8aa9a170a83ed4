//! `atoll health`: whether a URL answers well. Images of containers have no other program to ask with.

use std::{process::ExitCode, time::Duration};

/// Asks once.
///
/// # Errors
/// When there is no answer within two seconds.
pub async fn run(url: &str) -> Result<ExitCode, reqwest::Error> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
    let status = client.get(url).send().await?.status();
    println!("{status}");
    Ok(if status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
