//! Recording the call frames of a transaction as geth's hooks see them: what callTracer and flatCallTracer show.
//!
//! revm-inspectors' own recorder leaves out what geth's wording needs (the height of the stack, the opcode, which
//! precompile failed) and what a code deposit that failed before Homestead returned; hence this one.

use super::words::{CODE_STORE_OUT_OF_GAS, LastStep, REVERTED, precompile_words};
use atoll_primitives::{Address, B256, Bytes, Log, U256};
use revm::{
    Inspector,
    bytecode::opcode::{CALL, CALLCODE, CREATE, CREATE2, DELEGATECALL, OpCode, SELFDESTRUCT, STATICCALL},
    context_interface::{Cfg, ContextTr, CreateScheme, JournalTr, LocalContextTr},
    inspector::JournalExt,
    interpreter::{
        CallInput, CallInputs, CallOutcome, CallScheme, CreateInputs, CreateOutcome, InstructionResult, Interpreter,
        InterpreterAction, InterpreterResult,
        interpreter_types::{InputsTr, LoopControl},
    },
};

/// What a frame costs in the answer besides its data: names, addresses, quantities.
const FRAME_BYTES: usize = 320;
/// The same for a log.
const LOG_BYTES: usize = 160;

/// A log with its place.
#[derive(Debug, Clone)]
pub struct FrameLog {
    /// The log.
    pub log: Log,
    /// Its index in the block, counting the logs that stood when it was emitted.
    pub index: usize,
    /// How many calls the frame had made before.
    pub position: usize,
}

/// A call, creation or self-destruction.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Opcode that made it.
    pub kind: u8,
    /// Who called.
    pub from: Address,
    /// Who was called, whose code was called, what was created; `None` for a creation that failed.
    pub to: Option<Address>,
    /// Call data or init code.
    pub input: Bytes,
    /// Gas given, with the stipend; the whole transaction's for the first frame.
    pub gas: u64,
    /// Gas taken; the receipt's for the first frame.
    pub gas_used: u64,
    /// Wei sent, or inherited by a delegate call; `None` for a static call.
    pub value: Option<U256>,
    /// Return or revert data, or code.
    pub output: Bytes,
    /// Why it failed.
    pub error: Option<String>,
    /// Logs, when asked for.
    pub logs: Vec<FrameLog>,
    /// The frame it was made in.
    pub parent: Option<usize>,
    /// The frames made in it.
    pub children: Vec<usize>,
    /// A call that went to a precompile.
    pub precompile: bool,
}

impl Frame {
    /// Name of the opcode that made it.
    pub fn kind_name(&self) -> &'static str {
        OpCode::new(self.kind).map_or("INVALID", OpCode::as_str)
    }

    /// Whether it creates a contract.
    pub fn is_create(&self) -> bool {
        matches!(self.kind, CREATE | CREATE2)
    }
}

/// What is recorded.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FrameConfig {
    pub(crate) only_top_call: bool,
    pub(crate) with_log: bool,
}

/// A frame that has not ended.
#[derive(Debug, Default)]
struct Open {
    /// `None` when it is not recorded.
    frame: Option<usize>,
    last: LastStep,
    /// What a creation returned, before anybody tried to store it as code.
    returned: Option<Bytes>,
    /// A self-destruction under way: contract, heir, balance.
    dying: Option<(Address, Address, U256)>,
}

/// The recorder of one transaction.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    config: FrameConfig,
    /// In the order in which they were entered.
    arena: Vec<Frame>,
    open: Vec<Open>,
    /// Logs of the block before this transaction.
    first_log: usize,
    size: usize,
}

impl Frames {
    pub(crate) fn new(config: FrameConfig, first_log: usize) -> Self {
        Self { config, first_log, ..Self::default() }
    }

    /// Bytes of answer recorded so far, about.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The frames, the first with the whole transaction's gas.
    pub(crate) fn finish(self, gas_limit: u64, gas_used: u64) -> Vec<Frame> {
        let mut frames = self.arena;
        if let Some(first) = frames.first_mut() {
            (first.gas, first.gas_used) = (gas_limit, gas_used);
        }
        frames
    }

    /// Frames there are.
    pub(crate) fn recorded(&self) -> usize {
        self.arena.len()
    }

    /// The frame that is open innermost.
    pub(crate) fn innermost(&self) -> Option<&Frame> {
        self.arena.get(self.open.last()?.frame?)
    }

    /// Hands out the frame that was entered last and has ended, as if it had never been: for who keeps none. Frames
    /// in it must have been handed out before.
    pub(crate) fn forget_last(&mut self) -> Option<Frame> {
        let frame = self.arena.pop()?;
        if let Some(parent) = frame.parent.and_then(|parent| self.arena.get_mut(parent)) {
            parent.children.pop();
        }
        let held = FRAME_BYTES + 2 * (frame.input.len() + frame.output.len());
        self.size = self.size.saturating_sub(held + frame.error.as_ref().map_or(0, String::len));
        Some(frame)
    }

    fn enter(&mut self, frame: Frame) -> Option<usize> {
        if self.config.only_top_call && !self.open.is_empty() {
            return None;
        }
        let parent = self.open.last().and_then(|open| open.frame);
        let index = self.arena.len();
        if let Some(parent) = parent.and_then(|parent| self.arena.get_mut(parent)) {
            parent.children.push(index);
        }
        self.size += FRAME_BYTES + 2 * frame.input.len();
        self.arena.push(Frame { parent, ..frame });
        Some(index)
    }

    fn open(&mut self, frame: Frame) {
        let frame = self.enter(frame);
        self.open.push(Open { frame, ..Open::default() });
    }

    fn close(&mut self, result: &InterpreterResult, error: impl FnOnce(&Frame, &Open) -> Option<String>) {
        let Some(mut open) = self.open.pop() else { return };
        let Some(frame) = open.frame.and_then(|index| self.arena.get_mut(index)) else { return };
        frame.error = error(frame, &open);
        frame.gas_used = if result.result.is_ok_or_revert() { result.gas.total_gas_spent() } else { frame.gas };
        let reverted = frame.error.as_deref() == Some(REVERTED);
        if frame.error.is_none() || reverted {
            frame.output = result.output.clone();
        }
        if frame.is_create() {
            if frame.error.is_some() {
                frame.to = None;
            } else if frame.output.is_empty() {
                // Before Homestead a creation that cannot pay for its code succeeds without any; geth shows the code.
                frame.output = open.returned.take().unwrap_or_default();
            }
        }
        self.size += 2 * frame.output.len() + frame.error.as_ref().map_or(0, String::len);
    }
}

fn scheme(scheme: CallScheme) -> u8 {
    match scheme {
        CallScheme::Call => CALL,
        CallScheme::CallCode => CALLCODE,
        CallScheme::DelegateCall => DELEGATECALL,
        CallScheme::StaticCall => STATICCALL,
    }
}

/// A frame's input, copied out of the caller's memory.
pub(crate) fn call_input<CTX: ContextTr>(input: &CallInput, context: &CTX) -> Bytes {
    match input {
        CallInput::Bytes(bytes) => bytes.clone(),
        CallInput::SharedBuffer(range) => {
            let slice = context.local().shared_memory_buffer_slice(range.clone());
            slice.map(|slice| Bytes::copy_from_slice(&slice)).unwrap_or_default()
        }
    }
}

fn new_frame(kind: u8, from: Address, to: Address, input: Bytes, gas: u64, value: Option<U256>) -> Frame {
    Frame {
        kind,
        from,
        to: Some(to),
        input,
        gas,
        gas_used: 0,
        value,
        output: Bytes::new(),
        error: None,
        logs: Vec::new(),
        parent: None,
        children: Vec::new(),
        precompile: false,
    }
}

impl<CTX: ContextTr<Journal: JournalExt>> Inspector<CTX> for Frames {
    fn step(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        let Some(open) = self.open.last_mut() else { return };
        open.last = LastStep::before(interpreter);
        if open.last.op == SELFDESTRUCT
            && let Some(heir) = interpreter.stack.data().last()
        {
            let contract = interpreter.input.target_address();
            let balance = context.journal_ref().evm_state().get(&contract).map(|account| account.info.balance);
            open.dying = Some((contract, Address::from_word(B256::from(*heir)), balance.unwrap_or_default()));
        }
    }

    fn step_end(&mut self, interpreter: &mut Interpreter, _: &mut CTX) {
        let Some(InterpreterAction::Return(result)) = interpreter.bytecode.action() else { return };
        let Some(open) = self.open.last_mut() else { return };
        let dying = open.dying.take();
        if !result.result.is_ok() {
            return;
        }
        open.returned = Some(result.output.clone());
        if let Some((contract, heir, balance)) = dying
            && result.result == InstructionResult::SelfDestruct
            && !self.config.only_top_call
        {
            self.enter(new_frame(SELFDESTRUCT, contract, heir, Bytes::new(), 0, Some(balance)));
        }
    }

    fn log_full(&mut self, _: &mut Interpreter, context: &mut CTX, log: Log) {
        if !self.config.with_log {
            return;
        }
        let index = self.first_log + context.journal_ref().logs().len().saturating_sub(1);
        let frame = self.open.last().and_then(|open| open.frame);
        if let Some(frame) = frame.and_then(|frame| self.arena.get_mut(frame)) {
            self.size += LOG_BYTES + 2 * log.data.data.len() + 70 * log.topics().len();
            frame.logs.push(FrameLog { log, index, position: frame.children.len() });
        }
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        let (from, to) = match inputs.scheme {
            CallScheme::DelegateCall | CallScheme::CallCode => (inputs.target_address, inputs.bytecode_address),
            CallScheme::Call | CallScheme::StaticCall => (inputs.caller, inputs.target_address),
        };
        let value = (inputs.scheme != CallScheme::StaticCall).then(|| inputs.call_value());
        let input = call_input(&inputs.input, context);
        self.open(new_frame(scheme(inputs.scheme), from, to, input, inputs.gas_limit, value));
        None
    }

    fn call_end(&mut self, context: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        let result = &outcome.result;
        let precompile = outcome.was_precompile_called;
        let spec = context.cfg().spec().into();
        if let Some(frame) = self.open.last().and_then(|open| open.frame)
            && let Some(frame) = self.arena.get_mut(frame)
        {
            frame.precompile = precompile;
        }
        self.close(result, |frame, open| {
            if result.result.is_ok() {
                return None;
            }
            Some(match result.result {
                InstructionResult::PrecompileError => {
                    precompile_words(spec, &inputs.bytecode_address, &frame.input, inputs.gas_limit)
                }
                failure => open.last.words(failure),
            })
        });
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        let nonce = context.journal_mut().load_account(inputs.caller()).ok()?.info.nonce;
        let created = inputs.created_address(nonce);
        let kind = if matches!(inputs.scheme(), CreateScheme::Create2 { .. }) { CREATE2 } else { CREATE };
        let (code, gas, value) = (inputs.init_code().clone(), inputs.gas_limit(), Some(inputs.value()));
        self.open(new_frame(kind, inputs.caller(), created, code, gas, value));
        None
    }

    fn create_end(&mut self, _: &mut CTX, _: &CreateInputs, outcome: &mut CreateOutcome) {
        let result = &outcome.result;
        // revm reports a creator without a next nonce as a success without a contract.
        let no_nonce = result.result.is_ok() && outcome.address.is_none();
        self.close(result, |_, open| {
            if no_nonce {
                return Some(open.last.words(InstructionResult::NonceOverflow));
            }
            match result.result {
                result if result.is_ok() => None,
                InstructionResult::OutOfGas if open.returned.is_some() => Some(CODE_STORE_OUT_OF_GAS.to_owned()),
                failure => Some(open.last.words(failure)),
            }
        });
    }
}
