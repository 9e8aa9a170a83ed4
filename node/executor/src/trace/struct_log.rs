//! geth's struct logger: an entry an instruction, written as JSON while the transaction runs, so that a long trace
//! costs the memory of its answer and no more.

use super::{
    refunds::Refunds,
    words::{LastStep, opcode_name},
};
use atoll_primitives::{Address, B256, Bytes, U256, hex};
use revm::{
    Inspector,
    bytecode::opcode,
    context_interface::{ContextTr, Database as _, JournalTr, result::ExecutionResult},
    inspector::JournalExt,
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, FrameInput, Interpreter, InterpreterAction,
        interpreter_types::{InputsTr, Jumps, LoopControl, MemoryTr, ReturnData},
    },
};
use std::{
    collections::{BTreeMap, HashMap},
    io::Write as _,
};

/// Which parts of the machine are shown.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StructConfig {
    pub(crate) memory: bool,
    pub(crate) no_stack: bool,
    pub(crate) no_storage: bool,
    pub(crate) return_data: bool,
    /// No further entries after this many bytes; zero for no limit.
    pub(crate) limit: u64,
}

/// The logger of one transaction.
#[derive(Debug, Default)]
pub(crate) struct StructLogger {
    config: StructConfig,
    /// The entries, with commas between them.
    out: Vec<u8>,
    /// Slots each contract has loaded or stored so far.
    storage: HashMap<Address, BTreeMap<B256, B256>>,
    refunds: Refunds,
    step: Step,
}

/// The entry under way: its cost is known only once the instruction has run.
#[derive(Debug, Default)]
struct Step {
    is_logged: bool,
    pc: usize,
    gas: u64,
    refund: i64,
    last: LastStep,
    /// The fields that follow the error, already JSON. Its memory is used again for each entry.
    machine: Vec<u8>,
}

/// `name` and words as JSON strings; each is written by `word`.
fn list<T>(out: &mut Vec<u8>, name: &str, words: impl Iterator<Item = T>, word: impl Fn(&mut Vec<u8>, T)) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":[");
    for (index, value) in words.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.push(b'"');
        word(out, value);
        out.push(b'"');
    }
    out.push(b']');
}

fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(b"0x");
    let start = out.len();
    out.resize(start + 2 * bytes.len(), 0);
    if let Some(target) = out.get_mut(start..) {
        // The target has just been made twice as long as the bytes.
        let _ = hex::encode_to_slice(bytes, target);
    }
}

/// Writing to a vector cannot fail.
fn push_number(out: &mut Vec<u8>, name: &str, value: impl std::fmt::Display) {
    let _ = write!(out, "\"{name}\":{value}");
}

impl StructLogger {
    pub(crate) fn new(config: StructConfig) -> Self {
        Self { config, ..Self::default() }
    }

    pub(crate) fn size(&self) -> usize {
        self.out.len()
    }

    /// The answer.
    pub(crate) fn finish(self, result: &ExecutionResult) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.out.len() + 128);
        let returned: Bytes = result.output().cloned().unwrap_or_default();
        let _ = write!(
            out,
            "{{\"gas\":{},\"failed\":{},\"returnValue\":\"{returned}\",\"structLogs\":[",
            result.tx_gas_used(),
            !result.is_success()
        );
        out.extend_from_slice(&self.out);
        out.extend_from_slice(b"]}");
        out
    }

    fn is_full(&self) -> bool {
        self.config.limit != 0 && self.out.len() as u64 > self.config.limit
    }

    fn write_machine<CTX: ContextTr<Journal: JournalExt>>(
        &mut self,
        interpreter: &Interpreter,
        context: &mut CTX,
        op: u8,
    ) {
        let mut out = std::mem::take(&mut self.step.machine);
        out.clear();
        if !self.config.no_stack {
            list(&mut out, "stack", interpreter.stack.data().iter(), |out, word| {
                let _ = write!(out, "{word:#x}");
            });
        }
        let returned = interpreter.return_data.buffer();
        if self.config.return_data && !returned.is_empty() {
            out.extend_from_slice(b",\"returnData\":\"");
            push_hex(&mut out, returned);
            out.push(b'"');
        }
        let size = interpreter.memory.size();
        if self.config.memory && size > 0 {
            let memory = interpreter.memory.slice(0..size);
            list(&mut out, "memory", memory.chunks(32), push_hex);
        }
        if !self.config.no_storage && matches!(op, opcode::SLOAD | opcode::SSTORE) {
            self.write_storage(&mut out, interpreter, context, op);
        }
        self.step.machine = out;
    }

    fn write_storage<CTX: ContextTr<Journal: JournalExt>>(
        &mut self,
        out: &mut Vec<u8>,
        interpreter: &Interpreter,
        context: &mut CTX,
        op: u8,
    ) {
        let contract = interpreter.input.target_address();
        let (slot, value) = match (op, interpreter.stack.data().as_slice()) {
            // A failing database shows when the instruction itself reads the slot.
            (opcode::SLOAD, [.., slot]) => (*slot, slot_value(context, contract, *slot).unwrap_or_default()),
            (opcode::SSTORE, [.., value, slot]) => (*slot, *value),
            _ => return,
        };
        let slots = self.storage.entry(contract).or_default();
        slots.insert(slot.into(), value.into());
        out.extend_from_slice(b",\"storage\":{");
        for (index, (slot, value)) in slots.iter().enumerate() {
            let _ = write!(out, "{}\"{slot}\":\"{value}\"", if index > 0 { "," } else { "" });
        }
        out.push(b'}');
    }

    fn write_entry(&mut self, cost: u64, error: Option<&str>) {
        let Step { pc, gas, refund, last, machine, .. } = &self.step;
        let depth = self.refunds.depth();
        let out = &mut self.out;
        if !out.is_empty() {
            out.push(b',');
        }
        let _ = write!(
            out,
            "{{\"pc\":{pc},\"op\":\"{}\",\"gas\":{gas},\"gasCost\":{cost},\"depth\":{depth}",
            opcode_name(last.op)
        );
        if let Some(error) = error {
            let _ = write!(out, ",\"error\":\"{error}\"");
        }
        out.extend_from_slice(machine);
        if *refund > 0 {
            out.push(b',');
            push_number(out, "refund", refund);
        }
        out.push(b'}');
    }
}

/// A slot's value now, without making it warm.
pub(crate) fn slot_value<CTX: ContextTr<Journal: JournalExt>>(
    context: &mut CTX,
    contract: Address,
    slot: U256,
) -> Result<U256, <CTX::Db as revm::Database>::Error> {
    let account = context.journal_ref().evm_state().get(&contract);
    if let Some(loaded) = account.and_then(|account| account.storage.get(&slot)) {
        return Ok(loaded.present_value);
    }
    if account.is_some_and(revm::state::Account::is_created) {
        return Ok(U256::ZERO);
    }
    context.db_mut().storage(contract, slot)
}

impl<CTX: ContextTr<Journal: JournalExt>> Inspector<CTX> for StructLogger {
    fn step(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        self.step.is_logged = !self.is_full();
        if !self.step.is_logged {
            return;
        }
        let op = interpreter.bytecode.opcode();
        self.step.pc = interpreter.bytecode.pc();
        self.step.gas = interpreter.gas.remaining();
        self.step.refund = self.refunds.total(interpreter.gas.refunded());
        self.step.last = LastStep::before(interpreter);
        self.write_machine(interpreter, context, op);
    }

    fn step_end(&mut self, interpreter: &mut Interpreter, _: &mut CTX) {
        self.refunds.note(interpreter.gas.refunded());
        if !std::mem::take(&mut self.step.is_logged) {
            return;
        }
        let mut cost = self.step.gas.saturating_sub(interpreter.gas.remaining());
        let mut error = None;
        match interpreter.bytecode.action() {
            // geth hands a creation its gas after pricing the instruction.
            Some(InterpreterAction::NewFrame(FrameInput::Create(inputs))) => {
                cost = cost.saturating_sub(inputs.gas_limit());
            }
            Some(InterpreterAction::Return(result)) if LastStep::precedes(result.result) => {
                error = Some(self.step.last.words(result.result));
            }
            _ => {}
        }
        self.write_entry(cost, error.as_deref());
    }

    fn call(&mut self, _: &mut CTX, _: &mut CallInputs) -> Option<CallOutcome> {
        self.refunds.enter();
        None
    }

    fn call_end(&mut self, _: &mut CTX, _: &CallInputs, _: &mut CallOutcome) {
        self.refunds.exit();
    }

    fn create(&mut self, _: &mut CTX, _: &mut CreateInputs) -> Option<CreateOutcome> {
        self.refunds.enter();
        None
    }

    fn create_end(&mut self, _: &mut CTX, _: &CreateInputs, _: &mut CreateOutcome) {
        self.refunds.exit();
    }
}
