//! The tracers by their names: which one a request means, what it sees, what it answers.

use super::{
    TraceError, TraceLimits, TraceOptions, call_json,
    flat_json::{self, FlatConfig, Place},
    frames::{Frame, FrameConfig, Frames},
    js::{JsTracer, Script},
    prestate::{Prestate, PrestateConfig},
    struct_log::{StructConfig, StructLogger},
    watch::Growing,
};
use atoll_primitives::{Address, Log, U256};
use revm::{
    DatabaseRef, Inspector,
    context::TxEnv,
    context_interface::{ContextTr, result::ResultAndState},
    inspector::JournalExt,
    interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter},
};
use revm_inspectors::tracing::FourByteInspector;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Tracers one muxTracer may run.
const MAX_MUXED: usize = 16;

/// What a request wants traced, checked once and made into a [`Tracer`] for each transaction.
#[derive(Debug, Clone)]
pub(crate) enum TracerKind {
    Struct(StructConfig),
    Call(FrameConfig),
    Flat(FlatConfig),
    Prestate(PrestateConfig),
    FourByte,
    Noop,
    Js(Script),
    Mux(Vec<(String, TracerKind)>),
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CallConfig {
    only_top_call: bool,
    with_log: bool,
}

/// A tracer's settings; `null` and nothing mean the defaults.
fn config<T: DeserializeOwned + Default>(config: Option<&Value>) -> Result<T, TraceError> {
    match config {
        None | Some(Value::Null) => Ok(T::default()),
        Some(value) => {
            T::deserialize(value).map_err(|error| TraceError::Tracer(format!("invalid tracer config: {error}")))
        }
    }
}

impl TracerKind {
    pub(crate) fn new(options: &TraceOptions, limits: &TraceLimits) -> Result<Self, TraceError> {
        match options.tracer.as_deref() {
            None | Some("") => Ok(Self::Struct(StructConfig {
                memory: options.enable_memory.unwrap_or_default(),
                no_stack: options.disable_stack.unwrap_or_default(),
                no_storage: options.disable_storage.unwrap_or_default(),
                return_data: options.enable_return_data.unwrap_or_default(),
                limit: options.limit.unwrap_or_default(),
            })),
            Some(name) => Self::named(name, options.tracer_config.as_ref(), limits),
        }
    }

    fn named(name: &str, settings: Option<&Value>, limits: &TraceLimits) -> Result<Self, TraceError> {
        Ok(match name {
            "callTracer" => {
                let CallConfig { only_top_call, with_log } = config(settings)?;
                Self::Call(FrameConfig { only_top_call, with_log })
            }
            "flatCallTracer" => Self::Flat(config(settings)?),
            "parityTracer" => Self::Flat(FlatConfig::PARITY),
            "prestateTracer" => Self::Prestate(config(settings)?),
            "4byteTracer" => Self::FourByte,
            "noopTracer" => Self::Noop,
            "muxTracer" => Self::mux(settings, limits)?,
            // geth takes whatever is no name for a script.
            script if limits.javascript => {
                let settings = settings.map_or_else(|| "{}".to_owned(), Value::to_string);
                Self::Js(Script::new(script, settings, limits))
            }
            other => return Err(TraceError::UnknownTracer(other.chars().take(64).collect(), "off")),
        })
    }

    fn mux(settings: Option<&Value>, limits: &TraceLimits) -> Result<Self, TraceError> {
        let inner: Map<String, Value> = config(settings)?;
        if inner.len() > MAX_MUXED {
            return Err(TraceError::Tracer(format!("muxTracer runs {MAX_MUXED} tracers at most")));
        }
        let kinds = inner.iter().map(|(name, settings)| match name.as_str() {
            // geth allows it; nobody needs it, and it could nest without end.
            "muxTracer" => Err(TraceError::Tracer("muxTracer inside muxTracer".to_owned())),
            name => Ok((name.to_owned(), Self::named(name, Some(settings), limits)?)),
        });
        let mut kinds: Vec<(String, Self)> = kinds.collect::<Result<_, _>>()?;
        let scripts = kinds.iter().filter(|(_, kind)| matches!(kind, Self::Js(_))).count();
        for (_, kind) in &mut kinds {
            if let Self::Js(script) = kind {
                script.share(scripts);
            }
        }
        Ok(Self::Mux(kinds))
    }

    /// A tracer for one transaction.
    pub(crate) fn start<DB: DatabaseRef>(
        &self,
        tx: &TxEnv,
        coinbase: Address,
        place: &Place,
        state: &DB,
    ) -> Result<Tracer, TraceError> {
        Ok(match self {
            Self::Struct(config) => Tracer::Struct(StructLogger::new(*config)),
            Self::Call(config) => Tracer::Call(Frames::new(*config, place.first_log)),
            Self::Flat(config) => Tracer::Flat(Frames::new(FrameConfig::default(), 0), *config),
            Self::Prestate(config) => {
                let mut prestate = Prestate::new(*config);
                prestate.start(tx, coinbase, state)?;
                Tracer::Prestate(prestate)
            }
            Self::FourByte => Tracer::FourByte(FourByteInspector::default()),
            Self::Noop => Tracer::Noop,
            Self::Js(script) => Tracer::Js(Box::new(script.start(place)?)),
            Self::Mux(kinds) => {
                let start = |(name, kind): &(String, Self)| Ok((name.clone(), kind.start(tx, coinbase, place, state)?));
                Tracer::Mux(kinds.iter().map(start).collect::<Result<_, TraceError>>()?)
            }
        })
    }
}

/// A tracer at work on one transaction.
pub(crate) enum Tracer {
    Struct(StructLogger),
    Call(Frames),
    Flat(Frames, FlatConfig),
    Prestate(Prestate),
    FourByte(FourByteInspector),
    Noop,
    Js(Box<JsTracer>),
    Mux(Vec<(String, Tracer)>),
}

impl Tracer {
    /// Only the call frames, for who renders them himself.
    pub(crate) fn frames() -> Self {
        Self::Call(Frames::new(FrameConfig::default(), 0))
    }

    /// The recorded call frames, of a tracer made by [`Tracer::frames`].
    pub(crate) fn into_frames(self, gas_limit: u64, gas_used: u64) -> Vec<Frame> {
        match self {
            Self::Call(frames) => frames.finish(gas_limit, gas_used),
            _ => Vec::new(),
        }
    }

    /// What the state remembers because a script asked, in bytes.
    pub(crate) fn read_bytes(&self) -> usize {
        match self {
            Self::Js(tracer) => tracer.read_bytes(),
            Self::Mux(tracers) => tracers.iter().map(|(_, tracer)| tracer.read_bytes()).sum(),
            _ => 0,
        }
    }

    /// The answer, as JSON. `before` is the state before the transaction.
    pub(crate) fn finish<DB: DatabaseRef>(
        self,
        gas_limit: u64,
        outcome: &ResultAndState,
        place: &Place,
        before: &DB,
    ) -> Result<Vec<u8>, TraceError> {
        let gas_used = outcome.result.tx_gas_used();
        let text = match self {
            Self::Struct(logger) => return Ok(logger.finish(&outcome.result)),
            Self::Call(frames) => call_json::render(&frames.finish(gas_limit, gas_used)),
            Self::Flat(frames, config) => flat_json::render(&frames.finish(gas_limit, gas_used), place, config),
            Self::Prestate(prestate) => return prestate.finish(before, &outcome.state),
            Self::FourByte(tracer) => {
                let counts =
                    tracer.inner().iter().map(|((selector, size), count)| (format!("{selector}-{size}"), *count));
                serde_json::to_vec(&counts.collect::<BTreeMap<String, u64>>())
            }
            Self::Noop => Ok(b"{}".to_vec()),
            Self::Js(tracer) => return tracer.finish(gas_limit, outcome, before),
            Self::Mux(tracers) => return mux(tracers, gas_limit, outcome, place, before),
        };
        text.map_err(|error| TraceError::Tracer(error.to_string()))
    }
}

impl Growing for Tracer {
    fn size(&self) -> usize {
        match self {
            Self::Struct(logger) => logger.size(),
            Self::Call(frames) | Self::Flat(frames, _) => frames.size(),
            Self::Prestate(prestate) => prestate.size(),
            Self::FourByte(tracer) => 40 * tracer.inner().len(),
            Self::Noop => 0,
            Self::Js(tracer) => tracer.size(),
            Self::Mux(tracers) => tracers.iter().map(|(_, tracer)| tracer.size()).sum(),
        }
    }
}

fn mux<DB: DatabaseRef>(
    tracers: Vec<(String, Tracer)>,
    gas_limit: u64,
    outcome: &ResultAndState,
    place: &Place,
    before: &DB,
) -> Result<Vec<u8>, TraceError> {
    let mut out = b"{".to_vec();
    for (index, (name, tracer)) in tracers.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        serde_json::to_writer(&mut out, &name).map_err(|error| TraceError::Tracer(error.to_string()))?;
        out.push(b':');
        out.extend(tracer.finish(gas_limit, outcome, place, before)?);
    }
    out.push(b'}');
    Ok(out)
}

/// Hands an event to the tracer there is.
macro_rules! each {
    ($self:expr, $inner:ident => $call:expr) => {
        match $self {
            Tracer::Struct($inner) => $call,
            Tracer::Call($inner) | Tracer::Flat($inner, _) => $call,
            Tracer::Prestate($inner) => $call,
            Tracer::FourByte($inner) => $call,
            Tracer::Js($inner) => $call,
            Tracer::Noop => Default::default(),
            Tracer::Mux(tracers) => {
                for (_, $inner) in tracers {
                    // A tracer looks on: none of them answers a call itself.
                    let _ = $call;
                }
                Default::default()
            }
        }
    };
}

impl<CTX: ContextTr<Journal: JournalExt>> Inspector<CTX> for Tracer {
    fn initialize_interp(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        each!(self, inner => inner.initialize_interp(interpreter, context));
    }

    fn step(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        each!(self, inner => inner.step(interpreter, context));
    }

    fn step_end(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        each!(self, inner => inner.step_end(interpreter, context));
    }

    fn log_full(&mut self, interpreter: &mut Interpreter, context: &mut CTX, log: Log) {
        each!(self, inner => inner.log_full(interpreter, context, log.clone()));
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        each!(self, inner => inner.call(context, inputs))
    }

    fn call_end(&mut self, context: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        each!(self, inner => inner.call_end(context, inputs, outcome));
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        each!(self, inner => inner.create(context, inputs))
    }

    fn create_end(&mut self, context: &mut CTX, inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        each!(self, inner => inner.create_end(context, inputs, outcome));
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        each!(self, inner => Inspector::<CTX>::selfdestruct(inner, contract, target, value));
    }
}
