//! How much work a call is, counted as it goes, and what is too much whatever was counted so far. It must not know why that is
//! asked.
//!
//! Gas measures work, with exceptions. Gas that a failed call loses is none. An instruction that begins or ends a frame is not seen
//! spending; nor is one that is much by itself before it is over. Precompiles and `BLOCKHASH` have prices of their own.

use revm::{
    bytecode::opcode::{
        BLOCKHASH, CALL, CALLCODE, CALLDATACOPY, CODECOPY, CREATE, CREATE2, DELEGATECALL, EXTCODECOPY, KECCAK256, LOG0,
        LOG4, MCOPY, MLOAD, MSTORE, MSTORE8, RETURN, RETURNDATACOPY, REVERT, STATICCALL,
    },
    interpreter::{CallInputs, FrameInput, Interpreter, interpreter_types::Jumps},
    primitives::U256,
};

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
/// Work of `BLOCKHASH`, in gas: it goes back through the headers.
const BLOCK_HASH: u64 = 20_000;
/// What one instruction may touch of the memory ends here, in bytes.
const MEMORY: u64 = 64 << 10;
/// Bytes of memory that are one gas of work, to copy or to clear.
const BYTES_A_GAS: u64 = 8;
/// In place of a position on the stack: the length is a word.
const WORD: usize = usize::MAX;

/// Work that a call may still be, in gas.
#[derive(Debug, Clone)]
pub(super) struct Work {
    left: u64,
    /// Gas of the frame that runs, as last seen; 0 where it is not known.
    gas: u64,
}

impl Work {
    pub fn new(left: u64) -> Self {
        Self { left, gas: 0 }
    }

    /// Takes what was spent since the last instruction, and what the next one may be more than its gas says; whether there was
    /// that much left.
    pub fn step(&mut self, interpreter: &Interpreter) -> bool {
        let gas = interpreter.gas.remaining();
        let spent = self.gas.saturating_sub(gas);
        self.gas = gas;
        let opcode = interpreter.bytecode.opcode();
        self.take(spent)
            && match opcode {
                CREATE | CREATE2 => false,
                BLOCKHASH => self.take(BLOCK_HASH),
                _ => ranges(opcode).iter().all(|range| self.touch(interpreter, opcode, *range)),
            }
    }

    /// A frame begins; whether that is still within the work.
    pub fn enter(&mut self, input: &FrameInput) -> bool {
        match input {
            FrameInput::Call(call) => {
                self.gas = call.gas_limit;
                work_of(call).is_some_and(|work| self.take(work))
            }
            // Code of any length is copied, hashed and searched for jumps before its first instruction.
            FrameInput::Create(_) => false,
            FrameInput::Empty => true,
        }
    }

    /// A frame is over, and another goes on.
    pub fn leave(&mut self) {
        self.gas = 0;
    }

    /// Takes the work of touching a range of the memory, whose offset and length are at these positions of the stack.
    fn touch(&mut self, interpreter: &Interpreter, opcode: u8, (offset, length): (usize, usize)) -> bool {
        let length = if length == WORD { Ok(U256::from(32)) } else { interpreter.stack.peek(length) };
        let (Ok(offset), Ok(length)) = (interpreter.stack.peek(offset), length) else {
            // It will fail by itself.
            return true;
        };
        if length.is_zero() {
            return true;
        }
        let end = offset.saturating_add(length);
        if end > U256::from(MEMORY) {
            return false;
        }
        // Where it is not seen spending, the memory may grow up to there.
        let is_seen = !matches!(opcode, CALL | CALLCODE | DELEGATECALL | STATICCALL | RETURN | REVERT);
        let bytes: u64 = if is_seen { length.saturating_to() } else { end.saturating_to() };
        self.take(bytes / BYTES_A_GAS)
    }

    fn take(&mut self, work: u64) -> bool {
        let left = self.left.checked_sub(work);
        self.left = left.unwrap_or_default();
        left.is_some()
    }
}

/// Where the stack has offset and length of the memory that an instruction touches.
fn ranges(opcode: u8) -> &'static [(usize, usize)] {
    match opcode {
        MLOAD | MSTORE | MSTORE8 => &[(0, WORD)],
        KECCAK256 | LOG0..=LOG4 | RETURN | REVERT => &[(0, 1)],
        CALLDATACOPY | CODECOPY | RETURNDATACOPY => &[(0, 2)],
        EXTCODECOPY => &[(1, 3)],
        MCOPY => &[(0, 2), (1, 2)],
        CALL | CALLCODE => &[(3, 4), (5, 6)],
        DELEGATECALL | STATICCALL => &[(2, 3), (4, 5)],
        _ => &[],
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
