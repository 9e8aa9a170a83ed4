//! Logs on standard error, as text or JSON.

use crate::cli::{LogArgs, LogFormat};
use tracing_subscriber::EnvFilter;

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
#[error("--log {given}: not a level (error, warn, info, debug, trace) nor a filter such as `info,atoll_network=debug`")]
pub struct LogFilterError {
    given: String,
    #[source]
    source: tracing_subscriber::filter::ParseError,
}

/// Starts logging for this process.
///
/// # Errors
/// When the filter cannot be read.
pub fn init(args: &LogArgs) -> Result<(), LogFilterError> {
    // libp2p warns of each message that two neighbours pass on at the same moment: everyday business under load. Whoever
    // wants to read it names the target, which then counts.
    let filter = EnvFilter::try_new(format!("libp2p_gossipsub=error,{}", args.log))
        .map_err(|source| LogFilterError { given: args.log.clone(), source })?;
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call in one process keeps the first subscriber, which is what is wanted.
    let _ = match args.log_format {
        LogFormat::Text => builder.with_ansi(terminal).with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}
