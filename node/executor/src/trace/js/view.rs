//! What the objects that a script is given show: copies, so that they live as long as the script.

use super::super::{frames::Frame, words::opcode_name};
use super::machine::Reads;
use atoll_primitives::{Address, U256};
use revm::{
    bytecode::opcode::{PUSH0, PUSH32},
    interpreter::{
        Interpreter,
        interpreter_types::{InputsTr, Jumps},
    },
};
use std::{cell::RefCell, collections::HashSet, time::Instant};

/// An instruction: geth's `log`.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) op: u8,
    pub(super) pc: usize,
    pub(super) gas: u64,
    pub(super) cost: u64,
    pub(super) depth: usize,
    pub(super) refund: i64,
    pub(super) error: Option<String>,
    pub(super) stack: Vec<U256>,
    pub(super) caller: Address,
    pub(super) address: Address,
    pub(super) value: U256,
}

impl Step {
    /// Takes over an instruction that has not run; the stack's memory is used again.
    pub(super) fn read(&mut self, interpreter: &Interpreter, depth: usize, refund: i64) {
        self.op = interpreter.bytecode.opcode();
        self.pc = interpreter.bytecode.pc();
        self.gas = interpreter.gas.remaining();
        (self.cost, self.depth, self.refund, self.error) = (0, depth, refund, None);
        self.stack.clear();
        self.stack.extend_from_slice(interpreter.stack.data());
        self.caller = interpreter.input.caller_address();
        self.address = interpreter.input.target_address();
        self.value = interpreter.input.call_value();
    }

    pub(super) fn op_name(&self) -> String {
        opcode_name(self.op)
    }

    pub(super) fn is_push(&self) -> bool {
        (PUSH0..=PUSH32).contains(&self.op)
    }
}

/// Everything that the native functions show, and what they have to report.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) step: RefCell<Step>,
    /// The frame that was entered or left last.
    pub(super) frame: RefCell<Option<Frame>>,
    /// Of the transaction's fork; none before it begins.
    pub(super) precompiles: RefCell<HashSet<Address>>,
    pub(super) reads: Reads,
    /// Why the script has to end; it cannot catch this.
    pub(super) failure: RefCell<Option<String>>,
    pub(super) deadline: Option<Instant>,
}

impl Shared {
    /// Whether the script's time is over.
    pub(super) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Whether the engine has to stop.
    pub(super) fn must_stop(&self) -> bool {
        self.failure.borrow().is_some() || self.is_late()
    }
}
