// What tracers find around them: geth's helper functions, and the objects that geth hands to their functions.
// Evaluates to a function of the native functions and of `bigInt`.
(function (native, bigInt) {
  'use strict';
  const Bytes = Uint8Array;
  const { isArray } = Array;
  const { getPrototypeOf } = Object;
  const toText = String;
  const { apply } = Reflect;
  const { toHex } = Bytes.prototype;

  // Go's conversion of a number that a script hands over.
  const integer = (value) => {
    const number = Math.trunc(Number(value));
    return number === number ? number : 0;
  };
  const big = (hex) => bigInt(BigInt(hex));
  // Bytes of a buffer, an array, and where geth allows it, of a hexadecimal text.
  function bytes(value, texts) {
    if (texts && (typeof value === 'string' || value instanceof String)) return native.fromHex(toText(value));
    if (isArray(value)) return new Bytes(value);
    if (value !== null && typeof value === 'object' && getPrototypeOf(value) === Bytes.prototype) return value;
    return native.fail('invalid buffer type');
  }
  const hex = (value) => '0x' + apply(toHex, value, []);
  // A word or an address as the native functions take it: its last bytes count, as in Go.
  const last = (value, count) => hex(value.length > count ? value.subarray(value.length - count) : value);
  const address = (value, texts) => last(bytes(value, texts), 20);
  const padded = (value, count) => {
    const from = bytes(value, true), out = new Bytes(count);
    const kept = from.length > count ? from.subarray(from.length - count) : from;
    out.set(kept, count - kept.length);
    return out;
  };

  const helpers = {
    bigInt,
    toHex: (value) => hex(bytes(value, false)),
    toWord: (value) => padded(value, 32),
    toAddress: (value) => padded(value, 20),
    toContract: (from, nonce) => native.toContract(address(from, true), integer(nonce)),
    toContract2: (from, salt, code) => native.toContract2(address(from, true), toText(salt), hex(bytes(code, true))),
    isPrecompiled: (value) => native.isPrecompiled(address(value, true)),
    slice: (value, start, end) => {
      const from = bytes(value, false), [first, after] = [integer(start), integer(end)];
      if (first < 0 || first > after || after > from.length) {
        const [available, size] = [from.length, after - first];
        native.fail(`Tracer accessed out of bound memory: available ${available}, offset ${first}, size ${size}`);
      }
      return new Bytes(from.subarray(first, after));
    },
  };
  for (const name of Object.keys(helpers)) {
    Object.defineProperty(globalThis, name, { value: helpers[name], writable: true, configurable: true });
  }

  const log = {
    op: { toNumber: native.op, toString: native.opName, isPush: native.isPush },
    stack: { peek: (index) => big(native.peek(integer(index))), length: native.stackLength },
    memory: {
      slice: (begin, end) => native.memorySlice(integer(begin), integer(end)),
      getUint: (at) => big(native.memoryWord(integer(at))),
      length: native.memoryLength,
    },
    contract: {
      getCaller: native.caller,
      getAddress: native.address,
      getValue: () => big(native.value()),
      getInput: native.callInput,
    },
    getPC: native.pc,
    getGas: native.gas,
    getCost: native.cost,
    getDepth: native.depth,
    getRefund: native.refund,
    getError: native.error,
  };
  const db = {
    getBalance: (of) => big(native.balance(address(of, false))),
    getNonce: (of) => native.nonce(address(of, false)),
    getCode: (of) => native.code(address(of, false)),
    getState: (of, slot) => native.slot(address(of, false), last(bytes(slot, false), 32)),
    exists: (of) => native.exists(address(of, false)),
  };
  const frame = {
    getType: native.frameType,
    getFrom: native.frameFrom,
    getTo: native.frameTo,
    getInput: native.frameInput,
    getGas: native.frameGas,
    getValue: () => {
      const value = native.frameValue();
      return value === undefined ? undefined : big(value);
    },
  };
  const frameResult = { getGasUsed: native.resultGasUsed, getOutput: native.resultOutput, getError: native.resultError };
  const describe = (error) => {
    try {
      return toText(error);
    } catch {
      return 'exception';
    }
  };
  return { log, db, frame, frameResult, big, describe };
})
