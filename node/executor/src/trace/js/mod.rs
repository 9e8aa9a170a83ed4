//! Tracers that the client writes in JavaScript, with geth's functions and objects.
//!
//! The engine is QuickJS: it can be stopped at a time and kept to an amount of memory and stack, and none of the others
//! can. A script is nobody's friend: what it can cost is written in `engine.rs` and `bounds.js`.

mod engine;
mod machine;
mod named;
mod natives;
#[cfg(test)]
mod tests;
mod view;

use super::{
    TraceError, TraceLimits,
    flat_json::Place,
    frames::{Frame, FrameConfig, Frames},
    refunds::Refunds,
    watch::Growing,
    words::LastStep,
};
use atoll_primitives::{Log, U256};
use engine::{Engine, Field, Hook, MEMORY};
use machine::{After, Before, Live};
use natives::number;
use revm::{
    DatabaseRef, Inspector,
    bytecode::opcode::CREATE,
    context_interface::{Block, Cfg, ContextTr, Transaction, result::ResultAndState},
    inspector::JournalExt,
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, FrameInput, Interpreter, InterpreterAction,
        interpreter_types::LoopControl,
    },
    precompile::{PrecompileSpecId, Precompiles},
};
use std::{rc::Rc, sync::Arc, time::Instant};
use view::Shared;

/// What an account or slot that only the script has read costs the working state, in bytes.
const READ_BYTES: usize = 128;

/// A script and its settings.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    code: Arc<str>,
    /// JSON for `setup`.
    config: String,
    memory: usize,
    deadline: Option<Instant>,
}

impl Script {
    /// A script, or one that geth knows by name. It runs alone until it is told to share.
    pub(crate) fn new(code: &str, config: String, limits: &TraceLimits) -> Self {
        Self { code: named::script(code).into(), config, memory: MEMORY, deadline: limits.deadline }
    }

    /// Leaves memory to this many scripts of the same transaction.
    pub(crate) fn share(&mut self, scripts: usize) {
        self.memory = MEMORY / scripts.max(1);
    }

    /// An engine with the script in it, for one transaction.
    pub(crate) fn start(&self, place: &Place) -> Result<JsTracer, TraceError> {
        let shared = Rc::new(Shared { deadline: self.deadline, ..Shared::default() });
        let engine = Engine::new(&self.code, &self.config, self.memory, shared.clone())?;
        let mut fields = Vec::new();
        if let Some(hash) = place.block_hash {
            fields.push(("blockHash", Field::Bytes(hash.to_vec())));
            if let Some(hash) = place.tx_hash {
                fields.push(("txIndex", Field::Number(number(place.tx_index as u64))));
                fields.push(("txHash", Field::Bytes(hash.to_vec())));
            }
        }
        Ok(JsTracer {
            engine,
            shared,
            frames: Frames::new(FrameConfig::default(), 0),
            refunds: Refunds::default(),
            fields,
            pending: None,
            error: None,
        })
    }
}

/// An instruction that has begun.
struct Pending {
    before: Before,
    last: LastStep,
}

/// A script at work on one transaction.
pub(crate) struct JsTracer {
    engine: Engine,
    shared: Rc<Shared>,
    /// The open frames only.
    frames: Frames,
    refunds: Refunds,
    /// What `result` is told.
    fields: Vec<(&'static str, Field)>,
    pending: Option<Pending>,
    /// The script's failure; it is not called again.
    error: Option<TraceError>,
}

impl JsTracer {
    /// What the state remembers because the script asked, in bytes.
    pub(crate) fn read_bytes(&self) -> usize {
        READ_BYTES * self.shared.reads.borrow().len()
    }

    /// The script's answer.
    pub(crate) fn finish<DB: DatabaseRef>(
        mut self,
        gas_limit: u64,
        outcome: &ResultAndState,
        before: &DB,
    ) -> Result<Vec<u8>, TraceError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        self.fields.push(("gas", Field::Number(number(gas_limit))));
        self.fields.push(("gasUsed", Field::Number(number(outcome.result.tx_gas_used()))));
        let mut after = After { before, changes: &outcome.state };
        self.engine.result(&self.fields, &mut after).map(String::into_bytes)
    }

    fn call<CTX: ContextTr<Journal: JournalExt>>(&mut self, hook: Hook, context: &mut CTX) {
        let before = Before::default();
        self.call_in(hook, None, context, &before);
    }

    fn call_in<CTX: ContextTr<Journal: JournalExt>>(
        &mut self,
        hook: Hook,
        interpreter: Option<&Interpreter>,
        context: &mut CTX,
        before: &Before,
    ) {
        if self.error.is_some() {
            return;
        }
        let mut live = Live { interpreter, context, before, reads: &self.shared.reads };
        self.error = self.engine.call(hook, &mut live).err();
    }

    /// The first frame is the transaction; of the others the script hears.
    fn entered<CTX: ContextTr<Journal: JournalExt>>(&mut self, context: &mut CTX) {
        self.refunds.enter();
        let Some(frame) = self.frames.innermost().cloned() else { return };
        if self.refunds.depth() == 1 {
            return self.begin(&frame, context);
        }
        if self.engine.has(Hook::Enter) {
            *self.shared.frame.borrow_mut() = Some(frame);
            self.call(Hook::Enter, context);
        }
    }

    fn left<CTX: ContextTr<Journal: JournalExt>>(&mut self, context: &mut CTX) {
        let Some(frame) = self.frames.forget_last() else { return };
        self.refunds.exit();
        if self.refunds.depth() == 0 {
            self.fields.push(("output", Field::Bytes(frame.output.to_vec())));
            self.fields.extend(frame.error.map(|error| ("error", Field::Text(error))));
        } else if self.engine.has(Hook::Exit) {
            *self.shared.frame.borrow_mut() = Some(frame);
            self.call(Hook::Exit, context);
        }
    }

    fn begin<CTX: ContextTr>(&mut self, frame: &Frame, context: &mut CTX) {
        let spec = PrecompileSpecId::from_spec_id(context.cfg().spec().into());
        *self.shared.precompiles.borrow_mut() = Precompiles::new(spec).addresses().copied().collect();
        let base_fee = u128::from(context.block().basefee());
        let gas_price = U256::from(context.tx().effective_gas_price(base_fee));
        let kind = if frame.kind == CREATE { "CREATE" } else { "CALL" };
        self.fields.extend([
            ("block", Field::Number(number(context.block().number().saturating_to()))),
            ("coinbase", Field::Bytes(context.block().beneficiary().to_vec())),
            ("gasPrice", Field::Big(gas_price)),
            ("type", Field::Text(kind.to_owned())),
            ("from", Field::Bytes(frame.from.to_vec())),
            ("to", Field::Bytes(frame.to.unwrap_or_default().to_vec())),
            ("input", Field::Bytes(frame.input.to_vec())),
            ("value", Field::Big(frame.value.unwrap_or_default())),
        ]);
    }
}

impl Growing for JsTracer {
    fn size(&self) -> usize {
        // The engine's own memory has its own bound.
        self.frames.size() + self.read_bytes()
    }
}

impl<CTX: ContextTr<Journal: JournalExt>> Inspector<CTX> for JsTracer {
    fn step(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        self.frames.step(interpreter, context);
        if self.error.is_some() {
            return;
        }
        let refund = self.refunds.total(interpreter.gas.refunded());
        self.shared.step.borrow_mut().read(interpreter, self.refunds.depth(), refund);
        let before = Before::new(interpreter, context, &self.shared.reads);
        self.pending = Some(Pending { before, last: LastStep::before(interpreter) });
    }

    fn step_end(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        self.refunds.note(interpreter.gas.refunded());
        if let Some(Pending { before, last }) = self.pending.take() {
            let mut cost = self.shared.step.borrow().gas.saturating_sub(interpreter.gas.remaining());
            let mut failure = None;
            match interpreter.bytecode.action() {
                // geth hands a creation its gas after pricing the instruction.
                Some(InterpreterAction::NewFrame(FrameInput::Create(inputs))) => {
                    cost = cost.saturating_sub(inputs.gas_limit());
                }
                Some(InterpreterAction::Return(result)) if !result.result.is_ok() => {
                    failure = Some((last.words(result.result), LastStep::precedes(result.result)));
                }
                _ => {}
            }
            self.shared.step.borrow_mut().cost = cost;
            // A failure before the instruction shows in its step; one in the instruction comes after it.
            let (early, late) = match failure {
                Some((words, true)) => (Some(words), None),
                Some((words, false)) => (None, Some(words)),
                None => (None, None),
            };
            self.shared.step.borrow_mut().error = early;
            self.call_in(Hook::Step, Some(interpreter), context, &before);
            if late.is_some() {
                self.shared.step.borrow_mut().error = late;
                self.call_in(Hook::Fault, Some(interpreter), context, &before);
            }
        }
        let open = self.frames.recorded();
        self.frames.step_end(interpreter, context);
        // A self-destruction is a frame that ends at once.
        if self.frames.recorded() > open {
            *self.shared.frame.borrow_mut() = self.frames.forget_last();
            self.call(Hook::Enter, context);
            self.call(Hook::Exit, context);
        }
    }

    fn log_full(&mut self, interpreter: &mut Interpreter, context: &mut CTX, log: Log) {
        self.frames.log_full(interpreter, context, log);
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        let outcome = self.frames.call(context, inputs);
        self.entered(context);
        outcome
    }

    fn call_end(&mut self, context: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.frames.call_end(context, inputs, outcome);
        self.left(context);
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        let outcome = self.frames.create(context, inputs);
        self.entered(context);
        outcome
    }

    fn create_end(&mut self, context: &mut CTX, inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        self.frames.create_end(context, inputs, outcome);
        self.left(context);
    }
}
