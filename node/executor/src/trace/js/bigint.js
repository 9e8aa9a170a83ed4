// `bigInt` as tracers know it: the interface of the big-integer library, over the engine's own BigInt.
// Evaluates to the function `bigInt`.
(function () {
  'use strict';
  const PRECISE = 2 ** 53;

  function fromText(text) {
    const number = +text;
    if (number > -PRECISE && number < PRECISE) {
      if (number !== Math.trunc(number)) throw new Error('Invalid integer: ' + text);
      return BigInt(number);
    }
    const parts = /^([+-]?)(0x[0-9a-f]+|[0-9]+)(?:\.([0-9]*))?(?:e\+?([0-9]+))?$/i.exec(text.trim());
    if (parts === null) throw new Error('Invalid integer: ' + text);
    const [, sign, whole, fraction = '', exponent = '0'] = parts;
    const zeros = Number(exponent) - fraction.length;
    // No number of a transaction has more digits; the engine's own limit is higher.
    if (zeros < 0 || zeros > 100000) throw new Error('Invalid integer: ' + text);
    const value = BigInt(whole + fraction) * 10n ** BigInt(zeros);
    return sign === '-' ? -value : value;
  }

  function parse(value) {
    if (value instanceof Big) return value.n;
    if (typeof value === 'bigint') return value;
    if (typeof value === 'number') {
      if (!Number.isFinite(value) || value !== Math.trunc(value)) throw new Error(value + ' is not an integer.');
      return fromText(String(value));
    }
    return fromText(String(value));
  }

  function parseBase(value, base) {
    if (!(base >= 2 && base <= 36)) throw new Error('Invalid base: ' + base);
    let text = String(value).toLowerCase();
    const negative = text[0] === '-';
    if (negative) text = text.slice(1);
    let result = 0n;
    for (const digit of text) {
      const number = parseInt(digit, 36);
      if (!(number < base)) throw new Error(digit + ' is not a valid digit in base ' + base + '.');
      result = result * BigInt(base) + BigInt(number);
    }
    return negative ? -result : result;
  }

  const abs = (n) => (n < 0n ? -n : n);
  const gcd = (a, b) => {
    while (b !== 0n) [a, b] = [b, a % b];
    return abs(a);
  };
  function divisor(value) {
    const n = parse(value);
    if (n === 0n) throw new Error('Cannot divide by zero');
    return n;
  }

  class Big {
    constructor(n) { this.n = n; }
    abs() { return new Big(abs(this.n)); }
    add(v) { return new Big(this.n + parse(v)); }
    subtract(v) { return new Big(this.n - parse(v)); }
    multiply(v) { return new Big(this.n * parse(v)); }
    divide(v) { return new Big(this.n / divisor(v)); }
    mod(v) { return new Big(this.n % divisor(v)); }
    divmod(v) { return { quotient: this.divide(v), remainder: this.mod(v) }; }
    negate() { return new Big(-this.n); }
    next() { return new Big(this.n + 1n); }
    prev() { return new Big(this.n - 1n); }
    square() { return new Big(this.n * this.n); }
    pow(v) {
      const exponent = parse(v);
      if (exponent >= 0n) return new Big(this.n ** exponent);
      return new Big(abs(this.n) === 1n ? this.n ** abs(exponent) : 0n);
    }
    modPow(v, m) {
      const modulus = parse(m);
      if (modulus === 0n) throw new Error('Cannot take modPow with modulus 0');
      let exponent = parse(v), base = this.n % modulus, result = 1n % modulus;
      for (; exponent > 0n; exponent >>= 1n) {
        if (exponent & 1n) result = (result * base) % modulus;
        base = (base * base) % modulus;
      }
      return new Big(result);
    }
    modInv(v) {
      const modulus = parse(v);
      let [t, next, r, left] = [0n, 1n, modulus, abs(this.n)];
      while (left !== 0n) {
        const q = r / left;
        [t, next, r, left] = [next, t - q * next, left, r - q * left];
      }
      if (r !== 1n) throw new Error(this + ' and ' + bigInt(v) + ' are not co-prime');
      if (t < 0n) t += modulus;
      return new Big(this.n < 0n ? -t : t);
    }
    shiftLeft(v) { return new Big(this.n << parse(v)); }
    shiftRight(v) { return new Big(this.n >> parse(v)); }
    and(v) { return new Big(this.n & parse(v)); }
    or(v) { return new Big(this.n | parse(v)); }
    xor(v) { return new Big(this.n ^ parse(v)); }
    not() { return new Big(~this.n); }
    compare(v) {
      const other = parse(v);
      return this.n < other ? -1 : this.n > other ? 1 : 0;
    }
    compareAbs(v) { return this.abs().compare(abs(parse(v))); }
    equals(v) { return this.n === parse(v); }
    notEquals(v) { return this.n !== parse(v); }
    greater(v) { return this.n > parse(v); }
    greaterOrEquals(v) { return this.n >= parse(v); }
    lesser(v) { return this.n < parse(v); }
    lesserOrEquals(v) { return this.n <= parse(v); }
    isZero() { return this.n === 0n; }
    isPositive() { return this.n > 0n; }
    isNegative() { return this.n < 0n; }
    isEven() { return (this.n & 1n) === 0n; }
    isOdd() { return (this.n & 1n) === 1n; }
    isUnit() { return abs(this.n) === 1n; }
    isDivisibleBy(v) {
      const n = parse(v);
      return n !== 0n && this.n % n === 0n;
    }
    toString(radix) { return this.n.toString(radix === undefined ? 10 : radix); }
    toJSON() { return this.toString(); }
    valueOf() { return Number(this.n); }
    toJSNumber() { return Number(this.n); }
  }
  const other = {
    plus: 'add', minus: 'subtract', times: 'multiply', over: 'divide', remainder: 'mod', compareTo: 'compare',
    eq: 'equals', neq: 'notEquals', gt: 'greater', geq: 'greaterOrEquals', lt: 'lesser', leq: 'lesserOrEquals',
  };
  for (const name of Object.keys(other)) Big.prototype[name] = Big.prototype[other[name]];

  function bigInt(value, radix) {
    if (value === undefined) return new Big(0n);
    return new Big(radix === undefined || +radix === 10 ? parse(value) : parseBase(value, +radix));
  }
  bigInt.prototype = Big.prototype;
  bigInt.zero = new Big(0n);
  bigInt.one = new Big(1n);
  bigInt.minusOne = new Big(-1n);
  bigInt.isInstance = (value) => value instanceof Big;
  bigInt.max = (a, b) => (bigInt(a).greater(b) ? bigInt(a) : bigInt(b));
  bigInt.min = (a, b) => (bigInt(a).lesser(b) ? bigInt(a) : bigInt(b));
  bigInt.gcd = (a, b) => new Big(gcd(parse(a), parse(b)));
  bigInt.lcm = (a, b) => {
    const [x, y] = [abs(parse(a)), abs(parse(b))];
    return new Big((x / gcd(x, y)) * y);
  };
  bigInt.fromArray = (digits, base, isNegative) => {
    let result = 0n;
    for (const digit of digits) result = result * parse(base === undefined ? 10 : base) + parse(digit);
    return new Big(isNegative ? -result : result);
  };
  return bigInt;
})()
