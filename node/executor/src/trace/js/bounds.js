// Keeps the engine's own functions finite. The engine asks for the time between a script's instructions and in the
// loops of most of its functions; this is about those where it does not, and which a few characters of script could
// make run for days: arrays that claim a length they do not hold, and searching one long text for another.
// Whatever goes beyond is a RangeError. Evaluates to nothing.
(function () {
  'use strict';
  // Far more elements than the memory of a tracer holds.
  const MAX_LENGTH = 2 ** 24;
  // Comparisons of characters that a search could need: seconds.
  const MAX_SEARCH = 2 ** 33;
  const { isArray } = Array;
  const { apply } = Reflect;

  function measured(length) {
    if (!(length <= MAX_LENGTH)) throw new RangeError('array of ' + length + ' elements');
    return length;
  }
  // An array whose length is what it says: the thing itself, or a copy that was made under the clock.
  function real(thing) {
    if (isArray(thing)) {
      measured(thing.length);
      return thing;
    }
    const from = Object(thing);
    const length = measured(Math.max(Math.trunc(Number(from.length)) || 0, 0));
    const copy = [];
    for (let i = 0; i < length; i++) if (i in from) copy[i] = from[i];
    copy.length = length;
    return copy;
  }
  function replace(holder, name, make) {
    const native = holder[name];
    if (typeof native !== 'function') return;
    const value = make(native);
    Object.defineProperty(value, 'name', { value: name });
    Object.defineProperty(holder, name, { value, writable: true, configurable: true, enumerable: false });
  }

  for (const name of ['join', 'toLocaleString', 'slice', 'toReversed', 'toSorted', 'toSpliced', 'with']) {
    replace(Array.prototype, name, (native) => function (...args) { return apply(native, real(this), args); });
  }
  for (const name of ['fill', 'reverse', 'splice', 'copyWithin', 'sort', 'shift', 'unshift']) {
    replace(Array.prototype, name, (native) => function (...args) {
      if (!isArray(this)) throw new TypeError(name + ' of something that is not an array');
      measured(this.length);
      return apply(native, this, args);
    });
  }
  replace(Array.prototype, 'concat', () => function (...items) {
    const out = [];
    for (const item of [this, ...items]) {
      if (!isArray(item)) {
        out.push(item);
        continue;
      }
      const start = out.length, length = measured(item.length);
      for (let i = 0; i < length; i++) if (i in item) out[start + i] = item[i];
      out.length = measured(start + length);
    }
    return out;
  });
  function flatten(out, from, depth) {
    const length = measured(from.length);
    for (let i = 0; i < length; i++) {
      if (!(i in from)) continue;
      if (depth > 0 && isArray(from[i])) flatten(out, from[i], depth - 1);
      else out.push(from[i]);
    }
    return out;
  }
  replace(Array.prototype, 'flat', () => function (depth) {
    return flatten([], real(this), depth === undefined ? 1 : Math.trunc(Number(depth)) || 0);
  });
  const { map } = Array.prototype;
  replace(Array.prototype, 'flatMap', () => function (...args) {
    return flatten([], apply(map, real(this), args), 1);
  });
  replace(JSON, 'stringify', (native) => function (value, replacer, space) {
    return apply(native, JSON, [value, isArray(replacer) ? real(replacer) : replacer, space]);
  });

  function searched(text, part) {
    if (text.length * part.length > MAX_SEARCH) throw new RangeError('search for a long text in a long text');
  }
  const text = (value) => {
    if (value === null || value === undefined) throw new TypeError('Cannot convert undefined or null to object');
    return '' + value;
  };
  for (const name of ['indexOf', 'lastIndexOf', 'includes']) {
    replace(String.prototype, name, (native) => function (part, ...rest) {
      const [own, sought] = [text(this), `${part}`];
      searched(own, sought);
      return apply(native, own, [sought, ...rest]);
    });
  }
  for (const [name, symbol] of [['split', Symbol.split], ['replace', Symbol.replace], ['replaceAll', Symbol.replace]]) {
    replace(String.prototype, name, (native) => function (part, with_) {
      const own = text(this);
      // What knows itself how to do it, such as a regular expression, which the engine interrupts.
      if (part !== null && part !== undefined && typeof part === 'object') {
        if (name === 'replaceAll' && part instanceof RegExp && !part.global) {
          throw new TypeError("regexp must have the 'g' flag");
        }
        const method = part[symbol];
        if (method !== null && method !== undefined) return apply(method, part, [own, with_]);
      }
      if (part === undefined && name === 'split') return [own];
      const sought = `${part}`;
      searched(own, sought);
      return apply(native, own, [sought, with_]);
    });
  }
  replace(String, 'raw', () => function (template, ...values) {
    const { raw } = template;
    const length = measured(Math.trunc(Number(raw.length)) || 0);
    let out = '';
    for (let i = 0; i < length; i++) out += i + 1 < length && i < values.length ? `${raw[i]}${values[i]}` : `${raw[i]}`;
    return out;
  });
  // Shared memory can be waited for.
  delete globalThis.Atomics;
  delete globalThis.SharedArrayBuffer;
})()
