//! What a client asks of a tracer: geth's `TraceConfig`.

use serde::Deserialize;
use serde_json::Value;

/// Options of a trace, as geth reads them. Unknown ones are ignored; `reexec` is accepted and means nothing here,
/// since any served state can be read at once.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TraceOptions {
    /// Struct logger: show memory.
    pub enable_memory: Option<bool>,
    /// Struct logger: leave the stack out.
    pub disable_stack: Option<bool>,
    /// Struct logger: leave the storage out.
    pub disable_storage: Option<bool>,
    /// Struct logger: show return data.
    pub enable_return_data: Option<bool>,
    /// Struct logger: no further entries after this many bytes of them; zero for no limit.
    pub limit: Option<u64>,
    /// Name of a tracer, or JavaScript; the struct logger when absent.
    pub tracer: Option<String>,
    /// The tracer's own settings.
    pub tracer_config: Option<Value>,
    /// How long the trace may take, in Go's notation, such as `5s`.
    pub timeout: Option<String>,
    /// Accepted and not used.
    pub reexec: Option<u64>,
}
