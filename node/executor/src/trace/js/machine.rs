//! What a script's functions read while they run: the state, and the frame that is executing. It lies on the stack of
//! whoever runs the transaction, so the engine's native functions reach it by a scope of the thread
//! ([`using`]). It must not know the engine.

use super::super::struct_log::slot_value;
use atoll_primitives::{Address, Bytes, U256};
use revm::{
    Database as _, DatabaseRef,
    bytecode::opcode,
    context_interface::{ContextTr, JournalTr},
    inspector::JournalExt,
    interpreter::{
        CallInput, Interpreter,
        interpreter_types::{InputsTr, Jumps, MemoryTr},
    },
    state::{AccountInfo, EvmState},
};
use std::{cell::RefCell, collections::HashSet, ops::Range};

/// Accounts and slots a script may read in one transaction beyond those the transaction itself touches. The working
/// state remembers each of them.
const MAX_READS: usize = 1 << 16;

/// Accounts and slots that only the script has read.
pub(super) type Reads = RefCell<HashSet<(Address, Option<U256>)>>;

/// See the module.
pub(super) trait Machine {
    /// Bytes of the frame's memory.
    fn memory_size(&self) -> usize;
    /// Some of them; nothing when they are not there.
    fn memory(&self, range: Range<usize>) -> Vec<u8>;
    /// What the frame was called with.
    fn call_input(&self) -> Bytes;
    /// An account, if it exists.
    fn account(&mut self, address: Address) -> Result<Option<AccountInfo>, String>;
    /// The code of an account.
    fn code(&mut self, address: Address) -> Result<Bytes, String>;
    /// The value of a slot.
    fn slot(&mut self, address: Address, slot: U256) -> Result<U256, String>;
}

environmental::environmental!(current: trait Machine);

/// Runs something whose native functions see this machine.
pub(super) fn using<T>(machine: &mut dyn Machine, work: impl FnOnce() -> T) -> T {
    current::using(machine, work)
}

/// The machine that the running script may see. `of` must not run any script.
pub(super) fn with_current<T>(of: impl FnOnce(&mut dyn Machine) -> T) -> Option<T> {
    current::with(|machine| of(machine))
}

/// What an instruction is about to change, as it was: its cost is known only once it has run, and a script wants to
/// see both.
#[derive(Debug, Default)]
pub(super) struct Before {
    memory_size: usize,
    /// Where memory is overwritten, and what stood there.
    overwritten: (usize, Vec<u8>),
    slot: Option<(Address, U256, U256)>,
    accounts: Vec<(Address, Option<AccountInfo>)>,
}

/// Which memory an instruction writes, as indices of stack items from the top: offset and length.
fn written(op: u8, item: impl Fn(usize) -> Option<usize>) -> Option<(usize, usize)> {
    match op {
        opcode::MSTORE => Some((item(0)?, 32)),
        opcode::MSTORE8 => Some((item(0)?, 1)),
        opcode::CALLDATACOPY | opcode::CODECOPY | opcode::RETURNDATACOPY | opcode::MCOPY => Some((item(0)?, item(2)?)),
        opcode::EXTCODECOPY => Some((item(1)?, item(3)?)),
        _ => None,
    }
}

impl Before {
    /// Looks at an instruction that has not run.
    pub(super) fn new<CTX: ContextTr<Journal: JournalExt>>(
        interpreter: &Interpreter,
        context: &mut CTX,
        reads: &Reads,
    ) -> Self {
        let mut before = Self { memory_size: interpreter.memory.size(), ..Self::default() };
        let op = interpreter.bytecode.opcode();
        let stack = interpreter.stack.data();
        let word = |depth: usize| stack.len().checked_sub(depth + 1).and_then(|at| stack.get(at)).copied();
        if let Some((offset, length)) = written(op, |depth| usize::try_from(word(depth)?).ok()) {
            // Beyond the memory there is nothing to keep.
            let end = offset.saturating_add(length).min(before.memory_size);
            if offset < end {
                before.overwritten = (offset, interpreter.memory.slice(offset..end).to_vec());
            }
        }
        let contract = interpreter.input.target_address();
        match (op, word(0)) {
            (opcode::SSTORE, Some(slot)) => {
                // A failing database shows when the instruction itself reads the slot.
                before.slot = slot_value(context, contract, slot).ok().map(|value| (contract, slot, value));
            }
            (opcode::SELFDESTRUCT, Some(heir)) => {
                let mut accounts = Vec::with_capacity(2);
                let mut live = Live { interpreter: None, context, before: &Self::default(), reads };
                for address in [contract, Address::from_word(heir.into())] {
                    accounts.extend(live.account(address).ok().map(|account| (address, account)));
                }
                before.accounts = accounts;
            }
            _ => {}
        }
        before
    }
}

/// In the middle of a transaction.
pub(super) struct Live<'a, CTX> {
    /// The frame that runs; between frames there is none.
    pub(super) interpreter: Option<&'a Interpreter>,
    pub(super) context: &'a mut CTX,
    pub(super) before: &'a Before,
    pub(super) reads: &'a Reads,
}

impl<CTX> Live<'_, CTX> {
    fn count(&self, address: Address, slot: Option<U256>) -> Result<(), String> {
        let mut reads = self.reads.borrow_mut();
        if reads.len() >= MAX_READS && !reads.contains(&(address, slot)) {
            return Err(format!("more than {MAX_READS} reads of state that the transaction does not touch"));
        }
        reads.insert((address, slot));
        Ok(())
    }
}

impl<CTX: ContextTr<Journal: JournalExt>> Machine for Live<'_, CTX> {
    fn memory_size(&self) -> usize {
        self.interpreter.map_or(0, |_| self.before.memory_size)
    }

    fn memory(&self, range: Range<usize>) -> Vec<u8> {
        let Some(interpreter) = self.interpreter else { return Vec::new() };
        if range.start > range.end || range.end > interpreter.memory.size() {
            return Vec::new();
        }
        let mut bytes = interpreter.memory.slice(range.clone()).to_vec();
        let (offset, old) = &self.before.overwritten;
        let (start, end) = (range.start.max(*offset), range.end.min(offset + old.len()));
        if start < end
            && let (Some(to), Some(from)) =
                (bytes.get_mut(start - range.start..end - range.start), old.get(start - offset..end - offset))
        {
            to.copy_from_slice(from);
        }
        bytes
    }

    fn call_input(&self) -> Bytes {
        let Some(interpreter) = self.interpreter else { return Bytes::new() };
        match interpreter.input.input() {
            CallInput::Bytes(bytes) => bytes.clone(),
            CallInput::SharedBuffer(range) => Bytes::copy_from_slice(&interpreter.memory.global_slice(range.clone())),
        }
    }

    fn account(&mut self, address: Address) -> Result<Option<AccountInfo>, String> {
        if let Some((_, account)) = self.before.accounts.iter().find(|(known, _)| *known == address) {
            return Ok(account.clone());
        }
        if let Some(account) = self.context.journal_ref().evm_state().get(&address) {
            return Ok((!account.is_loaded_as_not_existing_not_touched()).then(|| account.info.clone()));
        }
        self.count(address, None)?;
        self.context.db_mut().basic(address).map_err(|error| error.to_string())
    }

    fn code(&mut self, address: Address) -> Result<Bytes, String> {
        let Some(account) = self.account(address)? else { return Ok(Bytes::new()) };
        if let Some(code) = account.code {
            return Ok(code.original_bytes());
        }
        if account.is_empty_code_hash() {
            return Ok(Bytes::new());
        }
        let code = self.context.db_mut().code_by_hash(account.code_hash).map_err(|error| error.to_string())?;
        Ok(code.original_bytes())
    }

    fn slot(&mut self, address: Address, slot: U256) -> Result<U256, String> {
        match self.before.slot {
            Some((contract, known, value)) if (contract, known) == (address, slot) => return Ok(value),
            _ => {}
        }
        let account = self.context.journal_ref().evm_state().get(&address);
        if !account.is_some_and(|account| account.storage.contains_key(&slot)) {
            self.count(address, Some(slot))?;
        }
        slot_value(self.context, address, slot).map_err(|error| error.to_string())
    }
}

/// After a transaction: its changes over the state before it.
pub(super) struct After<'a, DB> {
    pub(super) before: &'a DB,
    pub(super) changes: &'a EvmState,
}

impl<DB: DatabaseRef> Machine for After<'_, DB> {
    fn memory_size(&self) -> usize {
        0
    }

    fn memory(&self, _: Range<usize>) -> Vec<u8> {
        Vec::new()
    }

    fn call_input(&self) -> Bytes {
        Bytes::new()
    }

    fn account(&mut self, address: Address) -> Result<Option<AccountInfo>, String> {
        match self.changes.get(&address).filter(|account| account.is_touched()) {
            Some(account) => {
                let gone = account.is_selfdestructed() || (!account.is_created() && account.info.is_empty());
                Ok((!gone).then(|| account.info.clone()))
            }
            None => self.before.basic_ref(address).map_err(|error| error.to_string()),
        }
    }

    fn code(&mut self, address: Address) -> Result<Bytes, String> {
        let Some(account) = self.account(address)? else { return Ok(Bytes::new()) };
        match account.code {
            Some(code) => Ok(code.original_bytes()),
            None if account.is_empty_code_hash() => Ok(Bytes::new()),
            None => {
                let code = self.before.code_by_hash_ref(account.code_hash).map_err(|error| error.to_string())?;
                Ok(code.original_bytes())
            }
        }
    }

    fn slot(&mut self, address: Address, slot: U256) -> Result<U256, String> {
        if let Some(account) = self.changes.get(&address).filter(|account| account.is_touched()) {
            if account.is_selfdestructed() {
                return Ok(U256::ZERO);
            }
            match account.storage.get(&slot) {
                Some(value) => return Ok(value.present_value),
                None if account.is_created() => return Ok(U256::ZERO),
                None => {}
            }
        }
        self.before.storage_ref(address, slot).map_err(|error| error.to_string())
    }
}
