//! Ending a trace that takes too long or grows too large, while it is made and not afterwards.

use super::TraceError;
use crate::call::Deadline;
use atoll_primitives::{Address, Log, U256};
use revm::{
    Inspector,
    context_interface::{ContextTr, context::ContextError},
    interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter, interpreter_types::LoopControl},
};
use std::time::Instant;

/// How long a trace may take and how large it may become.
#[derive(Debug, Clone, Copy, Default)]
pub struct TraceLimits {
    /// When to give up; `None` for never.
    pub deadline: Option<Instant>,
    /// Bytes of the whole answer; `None` for no limit.
    pub max_bytes: Option<usize>,
    /// Whether a tracer may be JavaScript. What a script can cost besides is bounded in any case.
    pub javascript: bool,
}

/// Something whose answer grows while it looks on.
pub(crate) trait Growing {
    /// Bytes of answer so far, about.
    fn size(&self) -> usize;
}

/// What is left of a request's limits.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    deadline: Deadline,
    limit: Option<usize>,
    /// Bytes of the transactions before.
    used: usize,
    exceeded: bool,
}

impl Budget {
    pub(crate) fn new(limits: TraceLimits) -> Self {
        Self { deadline: Deadline::new(limits.deadline), limit: limits.max_bytes, used: 0, exceeded: false }
    }

    /// Whether there is time left.
    pub(crate) fn check(&self) -> Result<(), TraceError> {
        if self.deadline.passed() { Err(TraceError::Timeout) } else { Ok(()) }
    }

    /// Why execution was ended, if it was by this.
    pub(crate) fn verdict(&self) -> Result<(), TraceError> {
        match self.limit {
            Some(limit) if self.exceeded => Err(TraceError::TooLarge { limit }),
            _ => self.check(),
        }
    }

    /// Adds a finished answer.
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), TraceError> {
        self.used = self.used.saturating_add(bytes);
        match self.limit {
            Some(limit) if self.used > limit => Err(TraceError::TooLarge { limit }),
            _ => Ok(()),
        }
    }
}

/// A tracer with its budget. It stands before other inspectors in a tuple, so that it sees every frame.
pub(crate) struct Watched<'a, T> {
    pub(crate) tracer: &'a mut T,
    pub(crate) budget: &'a mut Budget,
}

impl<T: Growing> Watched<'_, T> {
    fn look<CTX: ContextTr>(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        self.budget.deadline.step(interpreter, context);
        let Some(limit) = self.budget.limit else { return };
        if self.budget.used.saturating_add(self.tracer.size()) <= limit {
            return;
        }
        self.budget.exceeded = true;
        if context.error().is_ok() {
            *context.error() = Err(ContextError::Custom("trace too large".into()));
        }
        // A pending call or return is dropped as well, or the caller's frame would go on.
        interpreter.bytecode.action().take();
        interpreter.bytecode.reset_action();
        interpreter.halt_fatal();
    }
}

impl<CTX: ContextTr, T: Growing + Inspector<CTX>> Inspector<CTX> for Watched<'_, T> {
    fn initialize_interp(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        self.tracer.initialize_interp(interpreter, context);
    }

    fn step(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        self.tracer.step(interpreter, context);
        self.look(interpreter, context);
    }

    fn step_end(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        self.tracer.step_end(interpreter, context);
    }

    fn log(&mut self, context: &mut CTX, log: Log) {
        self.tracer.log(context, log);
    }

    fn log_full(&mut self, interpreter: &mut Interpreter, context: &mut CTX, log: Log) {
        self.tracer.log_full(interpreter, context, log);
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.tracer.call(context, inputs)
    }

    fn call_end(&mut self, context: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.tracer.call_end(context, inputs, outcome);
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.tracer.create(context, inputs)
    }

    fn create_end(&mut self, context: &mut CTX, inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        self.tracer.create_end(context, inputs, outcome);
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.tracer.selfdestruct(contract, target, value);
    }
}
