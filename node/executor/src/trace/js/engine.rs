//! The JavaScript engine with one tracer in it: its bounds, its functions, and what its failures are called. It must
//! not know the EVM.

use super::{
    machine::{Machine, using},
    natives::{natives, word},
    view::Shared,
};
use crate::trace::TraceError;
use atoll_primitives::U256;
use rquickjs::{
    CatchResultExt, CaughtError, Context, Ctx, Function, Object, Persistent, Runtime, TypedArray, Value,
    context::{EvalOptions, intrinsic},
    function::This,
};
use std::{cell::Cell, rc::Rc};

/// Memory of the scripts of one transaction together, in bytes; each of several has its part.
pub(super) const MEMORY: usize = 64 << 20;
/// Stack of the engine, in bytes: a quarter of what the threads that trace have.
const STACK: usize = 512 << 10;
/// Characters of a script's own message that are handed on.
const MAX_MESSAGE: usize = 1024;

const BOUNDS: &str = include_str!("bounds.js");
const BIG_INT: &str = include_str!("bigint.js");
const PRELUDE: &str = include_str!("prelude.js");

/// The parts of the language: all but those that run later or elsewhere (promises, weak references), and proxies.
type Language = (
    intrinsic::Date,
    intrinsic::Eval,
    intrinsic::RegExpCompiler,
    intrinsic::RegExp,
    intrinsic::Json,
    intrinsic::MapSet,
    intrinsic::TypedArrays,
);

/// A function of a tracer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hook {
    Step,
    Fault,
    Enter,
    Exit,
}

impl Hook {
    fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Fault => "fault",
            Self::Enter => "enter",
            Self::Exit => "exit",
        }
    }
}

/// A value for the object that `result` is given.
pub(super) enum Field {
    Number(f64),
    Big(U256),
    Bytes(Vec<u8>),
    Text(String),
}

type Fn = Persistent<Function<'static>>;
type Obj = Persistent<Object<'static>>;

/// What is kept between calls.
struct Handles {
    tracer: Obj,
    step: Option<Fn>,
    fault: Fn,
    enter: Option<Fn>,
    exit: Option<Fn>,
    result: Fn,
    log: Obj,
    db: Obj,
    frame: Obj,
    frame_result: Obj,
    big: Fn,
    describe: Fn,
}

/// A tracer in its engine.
pub(super) struct Engine {
    // Handles have to go before their context, and that before the runtime: fields are dropped in this order.
    handles: Handles,
    context: Context,
    _runtime: Runtime,
    shared: Rc<Shared>,
    /// Whether a call is under way; the engine must not be entered twice.
    busy: Cell<bool>,
}

fn engine_error(error: rquickjs::Error) -> TraceError {
    TraceError::Tracer(format!("JavaScript engine: {error}"))
}

/// What a failure is called. The failure that a native function noted goes first: the script may have caught it, or
/// wrapped it in another.
fn failure(ctx: &Ctx<'_>, shared: &Shared, describe: Option<&Fn>, error: CaughtError<'_>) -> TraceError {
    if let Some(reason) = shared.failure.borrow().clone() {
        return TraceError::Tracer(reason);
    }
    let text = match error {
        CaughtError::Error(error) => error.to_string(),
        CaughtError::Exception(exception) => described(ctx, describe, exception.into_value()),
        // With no memory left for an error the engine throws this.
        CaughtError::Value(value) if value.is_null() => "null (thrown, or no memory was left for an error)".to_owned(),
        CaughtError::Value(value) => described(ctx, describe, value),
    };
    // After the limit any failure is the limit's.
    if shared.is_late() {
        return TraceError::Timeout;
    }
    TraceError::Tracer(text.chars().take(MAX_MESSAGE).collect())
}

/// A thrown value as text; a script's own `toString` may run for that.
fn described<'js>(ctx: &Ctx<'js>, describe: Option<&Fn>, thrown: Value<'_>) -> String {
    // The value is of this very context; saving and restoring says so to the compiler.
    let text = describe.and_then(|describe| {
        let describe = describe.clone().restore(ctx).ok()?;
        let thrown = Persistent::save(thrown.ctx(), thrown.clone()).restore(ctx).ok()?;
        let text = describe.call::<_, String>((thrown,));
        if text.is_err() {
            // Not to be taken for a failure of what comes next.
            ctx.catch();
        }
        text.ok()
    });
    text.unwrap_or_else(|| "exception".to_owned())
}

fn evaluate<'js>(ctx: &Ctx<'js>, code: String) -> rquickjs::Result<Value<'js>> {
    let mut options = EvalOptions::default();
    // Tracers are written for an engine that is not strict.
    options.strict = false;
    ctx.eval_with_options(code, options)
}

impl Handles {
    /// Fills an empty context. A tracer that is not one is the inner error.
    fn new<'js>(ctx: &Ctx<'js>, shared: &Rc<Shared>, code: &str) -> Result<Self, TraceError> {
        let prepared = Self::prepare(ctx, shared).map_err(engine_error)?;
        let (big, api) = prepared;
        let get = |name: &str| -> rquickjs::Result<Object<'js>> { api.get(name) };
        let parts = || -> rquickjs::Result<_> {
            let describe: Function<'js> = api.get("describe")?;
            Ok((get("log")?, get("db")?, get("frame")?, get("frameResult")?, describe))
        };
        let (log, db, frame, frame_result, describe) = parts().map_err(engine_error)?;
        let describe = Persistent::save(ctx, describe);
        let named = |error: CaughtError<'js>| failure(ctx, shared, Some(&describe), error);
        let tracer = evaluate(ctx, format!("({code})")).catch(ctx).map_err(named)?;
        let Some(tracer) = tracer.into_object() else {
            return Err(TraceError::Tracer("trace object must expose a function result()".to_owned()));
        };
        let function = |name: &str| -> Result<Option<Fn>, TraceError> {
            let value: Value<'js> = tracer.get(name).catch(ctx).map_err(named)?;
            Ok(value.into_function().map(|function| Persistent::save(ctx, function)))
        };
        let required = |name: &str| {
            function(name)?.ok_or_else(|| TraceError::Tracer(format!("trace object must expose a function {name}()")))
        };
        let (result, fault, step) = (required("result")?, required("fault")?, function("step")?);
        let (enter, exit) = (function("enter")?, function("exit")?);
        if enter.is_some() != exit.is_some() {
            let reason = "trace object must expose either both or none of enter() and exit()";
            return Err(TraceError::Tracer(reason.to_owned()));
        }
        let save = |object: Object<'js>| Persistent::save(ctx, object);
        let (log, db, frame, frame_result) = (save(log), save(db), save(frame), save(frame_result));
        let tracer = save(tracer.clone());
        Ok(Self { tracer, step, fault, enter, exit, result, log, db, frame, frame_result, big, describe })
    }

    /// Bounds, helpers and objects.
    fn prepare<'js>(ctx: &Ctx<'js>, shared: &Rc<Shared>) -> rquickjs::Result<(Fn, Object<'js>)> {
        evaluate(ctx, BOUNDS.to_owned())?;
        let big_int = evaluate(ctx, BIG_INT.to_owned())?;
        let prelude: Function<'js> = ctx.eval(PRELUDE)?;
        let api: Object<'js> = prelude.call((natives(ctx, shared)?, big_int))?;
        let big: Function<'js> = api.get("big")?;
        Ok((Persistent::save(ctx, big), api))
    }

    fn of(&self, hook: Hook) -> Option<(&Fn, &Obj, Option<&Obj>)> {
        match hook {
            Hook::Step => Some((self.step.as_ref()?, &self.log, Some(&self.db))),
            Hook::Fault => Some((&self.fault, &self.log, Some(&self.db))),
            Hook::Enter => Some((self.enter.as_ref()?, &self.frame, None)),
            Hook::Exit => Some((self.exit.as_ref()?, &self.frame_result, None)),
        }
    }
}

impl Engine {
    /// An engine that has read the script and run its `setup`.
    pub(super) fn new(code: &str, config: &str, memory: usize, shared: Rc<Shared>) -> Result<Self, TraceError> {
        let runtime = Runtime::new().map_err(engine_error)?;
        runtime.set_memory_limit(memory);
        runtime.set_max_stack_size(STACK);
        let watched = shared.clone();
        runtime.set_interrupt_handler(Some(Box::new(move || watched.must_stop())));
        let context = Context::custom::<Language>(&runtime).map_err(engine_error)?;
        let handles = context.with(|ctx| {
            let handles = Handles::new(&ctx, &shared, code)?;
            setup(&ctx, &handles, config).map_err(|error| failure(&ctx, &shared, Some(&handles.describe), error))?;
            Ok::<_, TraceError>(handles)
        })?;
        Ok(Self { handles, context, _runtime: runtime, shared, busy: Cell::new(false) })
    }

    /// Whether the tracer has this function.
    pub(super) fn has(&self, hook: Hook) -> bool {
        self.handles.of(hook).is_some()
    }

    /// Calls a function of the tracer, if it has it.
    pub(super) fn call(&self, hook: Hook, machine: &mut dyn Machine) -> Result<(), TraceError> {
        let Some((function, first, second)) = self.handles.of(hook) else { return Ok(()) };
        self.run(hook.name(), machine, |ctx| {
            let function = function.clone().restore(ctx)?;
            let (tracer, first) = (This(self.handles.tracer.clone().restore(ctx)?), first.clone().restore(ctx)?);
            match second {
                Some(second) => function.call::<_, Value<'_>>((tracer, first, second.clone().restore(ctx)?))?,
                None => function.call::<_, Value<'_>>((tracer, first))?,
            };
            Ok(())
        })
    }

    /// Calls `result` and gives its answer as JSON.
    pub(super) fn result(
        &self,
        fields: &[(&'static str, Field)],
        machine: &mut dyn Machine,
    ) -> Result<String, TraceError> {
        self.run("result", machine, |ctx| {
            let bag = Object::new(ctx.clone())?;
            for (name, field) in fields {
                match field {
                    Field::Number(number) => bag.set(*name, *number)?,
                    Field::Text(text) => bag.set(*name, text.as_str())?,
                    Field::Bytes(bytes) => bag.set(*name, TypedArray::<u8>::new_copy(ctx.clone(), bytes)?)?,
                    Field::Big(value) => {
                        let big = self.handles.big.clone().restore(ctx)?;
                        bag.set(*name, big.call::<_, Value<'_>>((word(*value),))?)?;
                    }
                }
            }
            let (result, db) = (self.handles.result.clone().restore(ctx)?, self.handles.db.clone().restore(ctx)?);
            let tracer = This(self.handles.tracer.clone().restore(ctx)?);
            let answer: Value<'_> = result.call((tracer, bag, db))?;
            // What geth's encoder makes of its engine's values for nothing.
            if answer.is_null() || answer.is_undefined() {
                return Ok("{}".to_owned());
            }
            let text = ctx.json_stringify(answer)?;
            text.map_or_else(|| Ok("null".to_owned()), |text| text.to_string())
        })
    }

    /// Runs something in the engine that may see this machine.
    fn run<T>(
        &self,
        name: &str,
        machine: &mut dyn Machine,
        work: impl FnOnce(&Ctx<'_>) -> rquickjs::Result<T>,
    ) -> Result<T, TraceError> {
        if self.busy.replace(true) {
            return Err(TraceError::Tracer("JavaScript engine entered twice".to_owned()));
        }
        let outcome = using(machine, || {
            self.context.with(|ctx| {
                let outcome = work(&ctx).catch(&ctx);
                // A script that caught what it cannot get past has failed all the same.
                let caught = self.shared.failure.borrow().is_some();
                match outcome {
                    Ok(value) if !caught => Ok(value),
                    Ok(_) => Err(failure(&ctx, &self.shared, None, CaughtError::Error(rquickjs::Error::Exception))),
                    Err(error) => Err(failure(&ctx, &self.shared, Some(&self.handles.describe), error)),
                }
            })
        });
        self.busy.set(false);
        outcome.map_err(|error| match error {
            TraceError::Tracer(reason) => {
                TraceError::Tracer(format!("{reason}    in server-side tracer function '{name}'"))
            }
            error => error,
        })
    }
}

/// Calls `setup`, if there is one.
fn setup<'js>(ctx: &Ctx<'js>, handles: &Handles, config: &str) -> Result<(), CaughtError<'js>> {
    let run = || -> rquickjs::Result<()> {
        let tracer = handles.tracer.clone().restore(ctx)?;
        let setup: Value<'js> = tracer.get("setup")?;
        if let Some(setup) = setup.into_function() {
            setup.call::<_, Value<'js>>((This(tracer), config))?;
        }
        Ok(())
    };
    run().catch(ctx)
}
