//! Stopping a call that runs too long.

use revm::{
    Inspector,
    context_interface::{ContextTr, context::ContextError},
    interpreter::{Interpreter, interpreter_types::LoopControl},
};
use std::time::Instant;

/// Instructions between two looks at the clock: some microseconds' worth, so that the clock costs nothing.
const STRIDE: u32 = 4096;

/// Ends execution at a deadline, by an error that no contract can catch.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    steps: u32,
    passed: bool,
}

impl Deadline {
    pub(crate) fn new(at: Option<Instant>) -> Self {
        Self { at, steps: 0, passed: false }
    }

    /// Whether there is one at all.
    pub(crate) fn is_set(&self) -> bool {
        self.at.is_some()
    }

    /// Whether it was it that ended the last execution, or it has passed since.
    pub(crate) fn passed(&self) -> bool {
        self.passed || self.at.is_some_and(|at| Instant::now() >= at)
    }
}

impl<CTX: ContextTr> Inspector<CTX> for Deadline {
    fn step(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        self.steps = self.steps.wrapping_add(1);
        if !self.steps.is_multiple_of(STRIDE) || !self.passed() {
            return;
        }
        self.passed = true;
        if context.error().is_ok() {
            *context.error() = Err(ContextError::Custom("execution aborted (timeout)".into()));
        }
        // A pending call or return is dropped as well, or the caller's frame would go on.
        interpreter.bytecode.action().take();
        interpreter.bytecode.reset_action();
        interpreter.halt_fatal();
    }
}
