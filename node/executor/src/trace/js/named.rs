//! Tracers that geth knows by name and that are scripts there as well. These are our own.

/// The number of instructions.
const OPCOUNT: &str = "{
    count: 0,
    step() { this.count++; },
    fault() {},
    result() { return this.count; },
}";

/// How often each instruction ran.
const UNIGRAM: &str = "{
    counts: {},
    step(log) {
        const op = log.op.toString();
        this.counts[op] = (this.counts[op] || 0) + 1;
    },
    fault() {},
    result() { return this.counts; },
}";

/// How often each instruction followed each other one in the same depth.
const BIGRAM: &str = "{
    counts: {},
    before: { op: '', depth: 0 },
    step(log) {
        const now = { op: log.op.toString(), depth: log.getDepth() };
        if (now.depth === this.before.depth) {
            const pair = this.before.op + '-' + now.op;
            this.counts[pair] = (this.counts[pair] || 0) + 1;
        }
        this.before = now;
    },
    fault() {},
    result() { return this.counts; },
}";

/// The same for three in a row. The first instruction in another depth is not counted at all, as in geth.
const TRIGRAM: &str = "{
    counts: {},
    before: ['', ''],
    depth: 0,
    step(log) {
        const depth = log.getDepth();
        if (depth !== this.depth) {
            [this.depth, this.before] = [depth, ['', '']];
            return;
        }
        const op = log.op.toString(), row = this.before.concat(op).join('-');
        this.counts[row] = (this.counts[row] || 0) + 1;
        this.before = [this.before[1], op];
    },
    fault() {},
    result() { return this.counts; },
}";

/// The script of a name; whatever is no name is a script itself.
pub(super) fn script(name: &str) -> &str {
    match name {
        "opcountTracer" => OPCOUNT,
        "unigramTracer" => UNIGRAM,
        "bigramTracer" => BIGRAM,
        "trigramTracer" => TRIGRAM,
        script => script,
    }
}
