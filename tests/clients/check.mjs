// What the JavaScript scripts share: one line a check, and a failure that says what was expected.
import { inspect } from "node:util";

const text = (value) => inspect(value, { breakLength: Infinity, depth: 6 });

/** Prints `ok` when both are the same (numbers and bigints compare by value), else ends the script. */
export function check(what, got, expected) {
  const same = typeof got === "object" && got !== null ? text(got) === text(expected) : got == expected; // eslint-disable-line eqeqeq
  if (!same) throw new Error(`FAILED: ${what}: expected ${text(expected)}, got ${text(got)}`);
  console.log(`ok: ${what}`);
}

/** Ends the script unless the condition holds; `got` is what was seen. */
export function holds(what, condition, got) {
  if (!condition) throw new Error(`FAILED: ${what}: got ${text(got)}`);
  console.log(`ok: ${what}`);
}

function glance(look, error) {
  try {
    return look(error);
  } catch {
    return "none of this kind";
  }
}

/** The action must fail, with an error that `look` turns into what is expected. */
export async function fails(what, action, look, expected) {
  let result;
  try {
    result = await action();
  } catch (error) {
    const seen = glance(look, error);
    if (text(seen) !== text(expected)) {
      throw new Error(`FAILED: ${what}: expected the error ${text(expected)}, got ${text(seen)} of ${text(error)}`);
    }
    console.log(`ok: ${what}: ${seen}`);
    return;
  }
  throw new Error(`FAILED: ${what}: expected the error ${text(expected)}, got the answer ${text(result)}`);
}

/** Waits for a promise, but not for ever. */
export function within(seconds, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`FAILED: ${what}: expected within ${seconds} s, nothing came`)), seconds * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Keeps its `promise` once the first call of `method` has been answered; told what was `asked` and what was `got`. */
export function answered(method) {
  let id, keep;
  const promise = new Promise((resolve) => (keep = resolve));
  const asked = (calls) => (id ??= [calls].flat().find((call) => call.method === method)?.id);
  const got = (answers) => id !== undefined && [answers].flat().some((answer) => answer.id === id) && keep();
  return { promise, asked, got };
}

/** How many transactions a burst sends; their receipts are waited for only at its end. */
export const BURST = 50;

/** Counts what a burst has sent; the whole-network tests kill a node when they read the line in its middle. */
export function counted(burst) {
  if (burst.length === 10) console.log("the burst is on its way");
}

process.on("uncaughtException", (error) => {
  console.error(String(error.message).startsWith("FAILED") ? error.message : error);
  process.exit(1);
});
process.on("unhandledRejection", (error) => {
  throw error;
});
