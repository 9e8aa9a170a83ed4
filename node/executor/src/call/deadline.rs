//! Stopping a call that runs too long. It must not know who waits.

use super::{CallLimits, work::Work};
use revm::{
    Inspector,
    context_interface::{ContextTr, context::ContextError},
    handler::FrameResult,
    interpreter::{CallOutcome, CreateOutcome, FrameInput, Interpreter, interpreter_types::LoopControl},
};
use std::time::Instant;

/// Instructions between two looks at the clock: some microseconds' worth, so that the clock costs nothing.
const STRIDE: u32 = 4096;

/// Ends execution at a deadline, by an error that no contract can catch.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    work: Option<Work>,
    steps: u32,
    passed: bool,
}

impl Deadline {
    pub(crate) fn new(at: Option<Instant>) -> Self {
        Self { at, work: None, steps: 0, passed: false }
    }

    /// The deadline of a call with these limits.
    pub(crate) fn of(limits: &CallLimits) -> Self {
        Self { work: limits.work.map(Work::new), ..Self::new(limits.deadline) }
    }

    /// Whether there is one at all.
    pub(crate) fn is_set(&self) -> bool {
        self.at.is_some() || self.work.is_some()
    }

    /// Whether it was it that ended the last execution, or it has passed since.
    pub(crate) fn passed(&self) -> bool {
        self.passed || self.at.is_some_and(|at| Instant::now() >= at)
    }

    /// Marks the end, and leaves the error that makes it one.
    fn end<CTX: ContextTr>(&mut self, context: &mut CTX) {
        self.passed = true;
        if context.error().is_ok() {
            *context.error() = Err(ContextError::Custom("execution aborted (timeout)".into()));
        }
    }
}

impl<CTX: ContextTr> Inspector<CTX> for Deadline {
    fn frame_start(&mut self, context: &mut CTX, input: &mut FrameInput) -> Option<FrameResult> {
        if self.work.as_mut()?.enter(input) {
            return None;
        }
        self.end(context);
        // Nobody sees this result: the error takes its place.
        match input {
            FrameInput::Call(call) => {
                let offset = call.return_memory_offset.clone();
                Some(FrameResult::Call(CallOutcome::new_oog(call.gas_limit, offset, call.reservoir)))
            }
            FrameInput::Create(create) => {
                Some(FrameResult::Create(CreateOutcome::new_oog(create.gas_limit(), create.reservoir())))
            }
            FrameInput::Empty => None,
        }
    }

    fn frame_end(&mut self, _: &mut CTX, _: &FrameInput, _: &mut FrameResult) {
        if let Some(work) = &mut self.work {
            work.leave();
        }
    }

    fn step(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        self.steps = self.steps.wrapping_add(1);
        let is_too_much = self.work.as_mut().is_some_and(|work| !work.step(interpreter));
        if !is_too_much && (!self.steps.is_multiple_of(STRIDE) || !self.passed()) {
            return;
        }
        self.end(context);
        // A pending call or return is dropped as well, or the caller's frame would go on.
        interpreter.bytecode.action().take();
        interpreter.bytecode.reset_action();
        interpreter.halt_fatal();
    }
}
