//! Stopping a call that runs too long. It knows the clock and what is much work, not who waits.

use super::CallLimits;
use revm::{
    Inspector,
    context_interface::{ContextTr, context::ContextError},
    handler::FrameResult,
    interpreter::{CallInputs, CallOutcome, CreateOutcome, FrameInput, Interpreter, interpreter_types::LoopControl},
    primitives::U256,
};
use std::time::Instant;

/// Instructions between two looks at the clock: some microseconds' worth, so that the clock costs nothing.
const STRIDE: u32 = 4096;
/// Work of entering a frame, in gas: an account that nobody has read (EIP-2929).
const FRAME: u64 = 2_600;
/// Work of a quick precompile, in gas: recovering a signature takes that long, for 3,000 gas.
const QUICK_PRECOMPILE: u64 = 10_000;
/// Precompiles 1 to 4 (recover, hash, copy) are quick when their input is short; the others may take milliseconds whatever
/// its length.
const QUICK_PRECOMPILES: u64 = 4;
/// Longest input with which they are quick, in bytes.
const QUICK_INPUT: usize = 4096;
/// Addresses below this may be precompiles: a margin above 0x100, the last one so far (EIP-7951).
const PRECOMPILE_RANGE: u64 = 0x300;

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
        let work = limits.work.map(|left| Work { left, gas: 0 });
        Self { work, ..Self::new(limits.deadline) }
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

/// Work that a call may still be, in gas. Gas that a failed call loses is none.
#[derive(Debug, Clone)]
struct Work {
    left: u64,
    /// Gas of the frame that runs, as last seen; 0 where it is not known.
    gas: u64,
}

impl Work {
    /// Takes the gas that went since it was last seen; whether there was that much left.
    fn step(&mut self, gas: u64) -> bool {
        let spent = self.gas.saturating_sub(gas);
        self.gas = gas;
        self.take(spent)
    }

    /// A frame begins; whether that is still within the work.
    fn enter(&mut self, input: &FrameInput) -> bool {
        let work = match input {
            FrameInput::Call(call) => work_of(call),
            FrameInput::Create(_) | FrameInput::Empty => Some(FRAME),
        };
        self.gas = match input {
            FrameInput::Call(call) => call.gas_limit,
            FrameInput::Create(create) => create.gas_limit(),
            FrameInput::Empty => 0,
        };
        work.is_some_and(|work| self.take(work))
    }

    fn take(&mut self, work: u64) -> bool {
        let left = self.left.checked_sub(work);
        self.left = left.unwrap_or_default();
        left.is_some()
    }
}

/// The work of a call before its first instruction; `None` if it is a precompile whose work is not bounded by little.
fn work_of(call: &CallInputs) -> Option<u64> {
    let address = U256::from_be_bytes(call.bytecode_address.into_word().0);
    if address >= U256::from(PRECOMPILE_RANGE) {
        return Some(FRAME);
    }
    let is_quick = address <= U256::from(QUICK_PRECOMPILES) && call.input.len() <= QUICK_INPUT;
    is_quick.then_some(QUICK_PRECOMPILE)
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
            work.gas = 0;
        }
    }

    fn step(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        self.steps = self.steps.wrapping_add(1);
        let is_done = self.work.as_mut().is_some_and(|work| !work.step(interpreter.gas.remaining()));
        if !is_done && (!self.steps.is_multiple_of(STRIDE) || !self.passed()) {
            return;
        }
        self.end(context);
        // A pending call or return is dropped as well, or the caller's frame would go on.
        interpreter.bytecode.action().take();
        interpreter.bytecode.reset_action();
        interpreter.halt_fatal();
    }
}
