//! Why a call frame failed, in geth's words. revm names the kind of failure; what geth adds (stack heights, opcodes,
//! which arithmetic overflowed) is noted here before each instruction runs. It must not know any tracer's output.

use atoll_primitives::{Address, U256};
use revm::{
    bytecode::opcode::{self, OpCode},
    interpreter::{InstructionResult, Interpreter, interpreter_types::Jumps},
    precompile::{PrecompileHalt, PrecompileSpecId, Precompiles},
    primitives::hardfork::SpecId,
};

/// Deepest stack of the EVM.
const STACK_LIMIT: usize = 1024;
/// Largest memory geth's gas function prices; beyond it the price overflows.
const MAX_PRICED_MEMORY: u64 = 0x1F_FFFF_FFE0;

/// What a revert is called.
pub(crate) const REVERTED: &str = "execution reverted";

/// How an instruction's memory operands go beyond what can be paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum MemoryFault {
    #[default]
    None,
    /// Offset and length do not fit 64 bits.
    Operands,
    /// They do, but the price does not.
    Price,
}

/// The instruction that a frame ran last, as it was before it ran.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LastStep {
    pub(crate) op: u8,
    stack: usize,
    memory: MemoryFault,
}

impl LastStep {
    /// Notes the instruction that is about to run.
    pub(crate) fn before(interpreter: &Interpreter) -> Self {
        let (op, stack) = (interpreter.bytecode.opcode(), interpreter.stack.data());
        Self { op, stack: stack.len(), memory: memory_fault(op, stack) }
    }

    /// Whether geth finds this failure before it runs the instruction, and so notes it with the instruction itself.
    pub(crate) fn precedes(result: InstructionResult) -> bool {
        use InstructionResult as R;
        out_of_gas(result) || matches!(result, R::StackUnderflow | R::StackOverflow | R::CreateInitCodeSizeLimit)
    }

    /// geth's message for a failed frame.
    pub(crate) fn words(&self, result: InstructionResult) -> String {
        use InstructionResult as R;
        let fixed = match result {
            R::StackUnderflow => {
                return format!("stack underflow ({} <=> {})", self.stack, inputs(self.op));
            }
            R::StackOverflow => {
                let room = (STACK_LIMIT + inputs(self.op)).saturating_sub(outputs(self.op));
                return format!("stack limit reached {} ({room})", self.stack);
            }
            R::OpcodeNotFound | R::NotActivated | R::InvalidFEOpcode => {
                return format!("invalid opcode: {}", opcode_name(self.op));
            }
            R::ReentrancySentryOOG => "out of gas: not enough gas for reentrancy sentry",
            _ if out_of_gas(result) => match self.memory {
                MemoryFault::None => "out of gas",
                MemoryFault::Operands => "gas uint64 overflow",
                MemoryFault::Price => "out of gas: gas uint64 overflow",
            },
            R::Revert => REVERTED,
            R::OutOfFunds => "insufficient balance for transfer",
            R::CallTooDeep => "max call depth exceeded",
            R::InvalidJump => "invalid jump destination",
            R::StateChangeDuringStaticCall | R::CallNotAllowedInsideStatic => "write protection",
            R::OutOfOffset => "return data out of bounds",
            R::CreateCollision => "contract address collision",
            R::CreateContractSizeLimit => "max code size exceeded",
            R::CreateInitCodeSizeLimit => "max initcode size exceeded",
            R::CreateContractStartingWithEF => "invalid code: must not begin with 0xef",
            R::NonceOverflow => "nonce uint64 overflow",
            other => return format!("{other:?}"),
        };
        fixed.to_owned()
    }
}

/// What geth says when code cannot be paid for at the end of a creation.
pub(crate) const CODE_STORE_OUT_OF_GAS: &str = "contract creation code storage out of gas";

fn out_of_gas(result: InstructionResult) -> bool {
    use InstructionResult as R;
    matches!(
        result,
        R::OutOfGas
            | R::MemoryOOG
            | R::MemoryLimitOOG
            | R::PrecompileOOG
            | R::InvalidOperandOOG
            | R::ReentrancySentryOOG
    )
}

/// An opcode's name as geth prints it.
pub(crate) fn opcode_name(op: u8) -> String {
    match OpCode::new(op) {
        Some(known) => known.as_str().to_owned(),
        None => format!("opcode {op:#x} not defined"),
    }
}

fn inputs(op: u8) -> usize {
    OpCode::new(op).map_or(0, |op| usize::from(op.inputs()))
}

fn outputs(op: u8) -> usize {
    OpCode::new(op).map_or(0, |op| usize::from(op.outputs()))
}

/// Which stack items are offset and length of the memory an instruction touches.
fn memory_operands(op: u8) -> &'static [(usize, Length)] {
    use Length::{Fixed, Item};
    match op {
        opcode::MLOAD | opcode::MSTORE => &[(0, Fixed(32))],
        opcode::MSTORE8 => &[(0, Fixed(1))],
        opcode::KECCAK256 | opcode::RETURN | opcode::REVERT | opcode::LOG0..=opcode::LOG4 => &[(0, Item(1))],
        opcode::CALLDATACOPY | opcode::CODECOPY | opcode::RETURNDATACOPY => &[(0, Item(2))],
        opcode::MCOPY => &[(0, Item(2)), (1, Item(2))],
        opcode::EXTCODECOPY => &[(1, Item(3))],
        opcode::CREATE | opcode::CREATE2 => &[(1, Item(2))],
        opcode::CALL | opcode::CALLCODE => &[(3, Item(4)), (5, Item(6))],
        opcode::DELEGATECALL | opcode::STATICCALL => &[(2, Item(3)), (4, Item(5))],
        _ => &[],
    }
}

#[derive(Clone, Copy)]
enum Length {
    Fixed(u64),
    Item(usize),
}

fn memory_fault(op: u8, stack: &[U256]) -> MemoryFault {
    let item = |depth: usize| stack.len().checked_sub(depth + 1).and_then(|at| stack.get(at)).copied();
    let mut worst = MemoryFault::None;
    for (offset, length) in memory_operands(op) {
        let (Some(offset), Some(length)) = (
            item(*offset),
            match length {
                Length::Fixed(bytes) => Some(U256::from(*bytes)),
                Length::Item(at) => item(*at),
            },
        ) else {
            return MemoryFault::None;
        };
        if length.is_zero() {
            continue;
        }
        let end = u64::try_from(offset).ok().zip(u64::try_from(length).ok());
        match end.and_then(|(offset, length)| offset.checked_add(length)) {
            None => return MemoryFault::Operands,
            Some(end) if end > MAX_PRICED_MEMORY => worst = MemoryFault::Price,
            Some(_) => {}
        }
    }
    worst
}

/// geth's message for a failed precompile. revm's frame result does not say what was wrong with the input, so the
/// precompile, which is a function of its input, is asked again.
pub(crate) fn precompile_words(spec: SpecId, address: &Address, input: &[u8], gas: u64) -> String {
    let precompiles = Precompiles::new(PrecompileSpecId::from_spec_id(spec));
    let output = precompiles.get(address).and_then(|precompile| precompile.execute(input, gas, 0).ok());
    let halt = output.as_ref().and_then(|output| output.halt_reason());
    halt.map_or_else(|| "precompiled failed".to_owned(), halt_words)
}

fn halt_words(halt: &PrecompileHalt) -> String {
    use PrecompileHalt as H;
    let words = match halt {
        H::OutOfGas => "out of gas",
        H::Blake2WrongFinalIndicatorFlag => "invalid final flag",
        H::Blake2WrongLength
        | H::BlobInvalidInputLength
        | H::KzgInvalidInputLength
        | H::Bls12381ScalarInputLength
        | H::Bls12381G1AddInputLength
        | H::Bls12381G1MsmInputLength
        | H::Bls12381G2AddInputLength
        | H::Bls12381G2MsmInputLength
        | H::Bls12381PairingInputLength
        | H::Bls12381MapFpToG1InputLength
        | H::Bls12381MapFp2ToG2InputLength => "invalid input length",
        H::ModexpEip7823LimitSize => "one or more of base/exponent/modulus length exceeded 1024 bytes",
        H::Bn254FieldPointNotAMember => "bn256: coordinate exceeds modulus",
        H::Bn254AffineGFailedToCreate => "bn256: malformed point",
        H::Bn254PairLength => "bad elliptic curve pairing size",
        H::BlobMismatchedVersion => "mismatched versioned hash",
        H::BlobVerifyKzgProofFailed => "error verifying kzg proof",
        H::Bls12381FpPaddingInvalid => "invalid field element top bytes",
        H::Bls12381G1NotOnCurve | H::Bls12381G2NotOnCurve => "invalid point: not on curve",
        H::Bls12381G1NotInSubgroup => "g1 point is not on correct subgroup",
        H::Bls12381G2NotInSubgroup => "g2 point is not on correct subgroup",
        other => return other.to_string(),
    };
    words.to_owned()
}
