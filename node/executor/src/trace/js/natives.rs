//! The native functions under the objects of `prelude.js`: numbers, texts and bytes in the engine's own types.

use super::{
    machine::{Machine, with_current},
    view::{Shared, Step},
};
use crate::trace::frames::Frame;
use atoll_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use rquickjs::{Ctx, Error, Exception, Function, Object, Result, TypedArray};
use std::rc::Rc;

/// Zeros that `memory.slice` adds at most beyond the memory there is: geth's.
const MAX_PADDING: i64 = 1024 * 1024;
const WORD: i64 = 32;

type Buffer<'js> = TypedArray<'js, u8>;

/// Ends the script with a reason that it cannot catch.
fn refuse(ctx: &Ctx<'_>, shared: &Shared, reason: &str) -> Error {
    *shared.failure.borrow_mut() = Some(reason.to_owned());
    Exception::throw_internal(ctx, reason)
}

fn buffer<'js>(ctx: &Ctx<'js>, bytes: &[u8]) -> Result<Buffer<'js>> {
    TypedArray::new_copy(ctx.clone(), bytes)
}

/// A word as `prelude.js` makes a `bigInt` of it.
pub(super) fn word(value: U256) -> String {
    format!("{value:#x}")
}

/// A number as scripts have them. Beyond 2^53 it is rounded, as in geth.
#[expect(clippy::cast_precision_loss, reason = "scripts have no other numbers")]
pub(super) fn number(value: u64) -> f64 {
    value as f64
}

/// A whole number of a script, cut to what 64 bits hold.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and the fraction is gone already")]
fn whole(value: f64) -> i64 {
    value as i64
}

/// geth's reading of a hexadecimal text: without `0x`, with an odd digit, and up to what is not hexadecimal.
fn lenient_hex(text: &str) -> Vec<u8> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let even = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits.to_owned() };
    hex::decode(&even)
        .unwrap_or_else(|_| even.as_bytes().chunks(2).map_while(|pair| hex::decode(pair).ok()).flatten().collect())
}

/// Bytes as the last bytes of a word.
fn as_word(bytes: &[u8]) -> B256 {
    B256::left_padding_from(bytes.get(bytes.len().saturating_sub(32)..).unwrap_or_default())
}

fn as_address(text: &str) -> Address {
    Address::from_word(as_word(&lenient_hex(text)))
}

/// Something of the machine, which is there while a transaction runs or has just run.
fn read<T>(
    ctx: &Ctx<'_>,
    shared: &Shared,
    of: impl FnOnce(&mut dyn Machine) -> std::result::Result<T, String>,
) -> Result<T> {
    let answer: std::result::Result<T, String> =
        with_current(of).unwrap_or_else(|| Err("there is no transaction".to_owned()));
    answer.map_err(|reason| refuse(ctx, shared, &reason))
}

fn memory_slice(machine: &dyn Machine, begin: i64, end: i64) -> std::result::Result<Vec<u8>, String> {
    if begin == end {
        return Ok(Vec::new());
    }
    if end < begin || begin < 0 {
        return Err(format!("tracer accessed out of bound memory: offset {begin}, end {end}"));
    }
    let size = machine.memory_size();
    let (Ok(from), Ok(to)) = (usize::try_from(begin), usize::try_from(end)) else {
        return Err("offset or size must not be negative".to_owned());
    };
    let padding = end.saturating_sub(i64::try_from(size).unwrap_or(i64::MAX));
    if padding > MAX_PADDING {
        return Err(format!("reached limit for padding memory slice: {padding}"));
    }
    let mut bytes = if from < size { machine.memory(from..to.min(size)) } else { Vec::new() };
    bytes.resize(to - from, 0);
    Ok(bytes)
}

fn memory_word(machine: &dyn Machine, at: i64) -> std::result::Result<String, String> {
    let size = machine.memory_size();
    let inside = usize::try_from(at).ok().filter(|start| start.saturating_add(32) <= size);
    let Some(start) = inside else {
        return Err(format!("tracer accessed out of bound memory: available {size}, offset {at}, size {WORD}"));
    };
    Ok(word(U256::from_be_slice(&machine.memory(start..start + 32))))
}

fn peek(step: &Step, index: i64) -> std::result::Result<String, String> {
    let item = usize::try_from(index).ok().and_then(|index| step.stack.iter().rev().nth(index));
    item.map(|item| word(*item))
        .ok_or_else(|| format!("tracer accessed out of bound stack: size {}, index {index}", step.stack.len()))
}

/// Sets native functions; each begins with its own handle of what is shared.
macro_rules! natives {
    ($object:ident, $ctx:ident, $shared:ident, { $($name:literal => $function:expr,)* }) => {
        $({
            let $shared = $shared.clone();
            $object.set($name, Function::new($ctx.clone(), $function)?)?;
        })*
    };
}

/// All native functions.
pub(super) fn natives<'js>(ctx: &Ctx<'js>, shared: &Rc<Shared>) -> Result<Object<'js>> {
    let natives = Object::new(ctx.clone())?;
    helpers(ctx, &natives, shared)?;
    instruction(ctx, &natives, shared)?;
    machine(ctx, &natives, shared)?;
    frame(ctx, &natives, shared)?;
    Ok(natives)
}

fn helpers<'js>(ctx: &Ctx<'js>, object: &Object<'js>, shared: &Rc<Shared>) -> Result<()> {
    natives!(object, ctx, shared, {
        "fail" => move |ctx: Ctx<'js>, reason: String| -> Result<()> { Err(refuse(&ctx, &shared, &reason)) },
        "isPrecompiled" => move |address: String| shared.precompiles.borrow().contains(&as_address(&address)),
    });
    object
        .set("fromHex", Function::new(ctx.clone(), |ctx: Ctx<'js>, text: String| buffer(&ctx, &lenient_hex(&text)))?)?;
    let create = |ctx: Ctx<'js>, from: String, nonce: f64| {
        // Go's conversion of a number to an unsigned one wraps.
        let nonce = u64::from_ne_bytes(whole(nonce).to_ne_bytes());
        buffer(&ctx, as_address(&from).create(nonce).as_slice())
    };
    object.set("toContract", Function::new(ctx.clone(), create)?)?;
    let create2 = |ctx: Ctx<'js>, from: String, salt: String, code: String| {
        let created = as_address(&from).create2(as_word(&lenient_hex(&salt)), keccak256(lenient_hex(&code)));
        buffer(&ctx, created.as_slice())
    };
    object.set("toContract2", Function::new(ctx.clone(), create2)?)
}

fn instruction<'js>(ctx: &Ctx<'js>, object: &Object<'js>, shared: &Rc<Shared>) -> Result<()> {
    natives!(object, ctx, shared, {
        "op" => move || shared.step.borrow().op,
        "opName" => move || shared.step.borrow().op_name(),
        "isPush" => move || shared.step.borrow().is_push(),
        "pc" => move || number(shared.step.borrow().pc as u64),
        "gas" => move || number(shared.step.borrow().gas),
        "cost" => move || number(shared.step.borrow().cost),
        "depth" => move || number(shared.step.borrow().depth as u64),
        "refund" => move || number(u64::try_from(shared.step.borrow().refund).unwrap_or_default()),
        "error" => move || shared.step.borrow().error.clone(),
        "stackLength" => move || number(shared.step.borrow().stack.len() as u64),
        "peek" => move |ctx: Ctx<'js>, index: f64| {
            let item = peek(&shared.step.borrow(), whole(index));
            item.map_err(|reason| refuse(&ctx, &shared, &reason))
        },
        "caller" => move |ctx: Ctx<'js>| buffer(&ctx, shared.step.borrow().caller.as_slice()),
        "address" => move |ctx: Ctx<'js>| buffer(&ctx, shared.step.borrow().address.as_slice()),
        "value" => move || word(shared.step.borrow().value),
    });
    Ok(())
}

fn machine<'js>(ctx: &Ctx<'js>, object: &Object<'js>, shared: &Rc<Shared>) -> Result<()> {
    natives!(object, ctx, shared, {
        "memoryLength" => move |ctx: Ctx<'js>| read(&ctx, &shared, |machine| Ok(number(machine.memory_size() as u64))),
        "memorySlice" => move |ctx: Ctx<'js>, begin: f64, end: f64| {
            let bytes = read(&ctx, &shared, |machine| memory_slice(machine, whole(begin), whole(end)))?;
            buffer(&ctx, &bytes)
        },
        "memoryWord" => move |ctx: Ctx<'js>, at: f64| read(&ctx, &shared, |machine| memory_word(machine, whole(at))),
        "callInput" => move |ctx: Ctx<'js>| {
            let input = read(&ctx, &shared, |machine| Ok(machine.call_input()))?;
            buffer(&ctx, &input)
        },
        "balance" => move |ctx: Ctx<'js>, of: String| {
            let account = read(&ctx, &shared, |machine| machine.account(as_address(&of)))?;
            Ok::<_, Error>(word(account.map_or(U256::ZERO, |account| account.balance)))
        },
        "nonce" => move |ctx: Ctx<'js>, of: String| {
            let account = read(&ctx, &shared, |machine| machine.account(as_address(&of)))?;
            Ok::<_, Error>(number(account.map_or(0, |account| account.nonce)))
        },
        "exists" => move |ctx: Ctx<'js>, of: String| {
            Ok::<_, Error>(read(&ctx, &shared, |machine| machine.account(as_address(&of)))?.is_some())
        },
        "code" => move |ctx: Ctx<'js>, of: String| {
            let code: Bytes = read(&ctx, &shared, |machine| machine.code(as_address(&of)))?;
            buffer(&ctx, &code)
        },
        "slot" => move |ctx: Ctx<'js>, of: String, slot: String| {
            let slot = as_word(&lenient_hex(&slot)).into();
            let value = read(&ctx, &shared, |machine| machine.slot(as_address(&of), slot))?;
            buffer(&ctx, &value.to_be_bytes::<32>())
        },
    });
    Ok(())
}

fn frame<'js>(ctx: &Ctx<'js>, object: &Object<'js>, shared: &Rc<Shared>) -> Result<()> {
    fn of<T: Default>(shared: &Shared, show: impl FnOnce(&Frame) -> T) -> T {
        shared.frame.borrow().as_ref().map(show).unwrap_or_default()
    }
    natives!(object, ctx, shared, {
        "frameType" => move || of(&shared, Frame::kind_name),
        "frameFrom" => move |ctx: Ctx<'js>| buffer(&ctx, of(&shared, |frame| frame.from).as_slice()),
        "frameTo" => move |ctx: Ctx<'js>| {
            buffer(&ctx, of(&shared, |frame| frame.to.unwrap_or_default()).as_slice())
        },
        "frameInput" => move |ctx: Ctx<'js>| buffer(&ctx, &of(&shared, |frame| frame.input.clone())),
        "frameGas" => move || number(of(&shared, |frame| frame.gas)),
        "frameValue" => move || of(&shared, |frame| frame.value.map(word)),
        "resultGasUsed" => move || number(of(&shared, |frame| frame.gas_used)),
        "resultOutput" => move |ctx: Ctx<'js>| buffer(&ctx, &of(&shared, |frame| frame.output.clone())),
        "resultError" => move || of(&shared, |frame| frame.error.clone()),
    });
    Ok(())
}
