// Foundry's programs do everything a developer does: forge create, script and test on a fork, cast in all its uses.
// node foundry.mjs HTTP_URL WS_URL PRIVATE_KEY; without arguments it only compiles.
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { BURST, check, fails, holds, within } from "./check.mjs";

const [http, ws, key] = process.argv.slice(2);
const here = fileURLToPath(new URL(".", import.meta.url));
const scratch = mkdtempSync(`${tmpdir()}/atoll-foundry-`);
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

// The programs themselves: the wrappers in node_modules/.bin end with 0 even when the program failed.
const platform = `${process.platform}-${process.arch === "x64" ? "amd64" : process.arch}`;
const program = (name) => `${here}node_modules/@foundry-rs/${name}-${platform}/bin/${name}`;

/** Runs a program; its trimmed output, or an error whose message is what it said. */
function run(name, args, env = {}) {
  const options = { cwd: here, env: { ...process.env, FOUNDRY_BROADCAST: `${scratch}/broadcast`, NO_COLOR: "1", KEY: key ?? "", ...env }, maxBuffer: 1 << 26 };
  return new Promise((resolve, reject) => {
    execFile(program(name), args, options, (error, stdout, stderr) => {
      if (error) reject(new Error(`${name} ${args.join(" ")}: ${stderr}${stdout}`));
      else resolve(stdout.trim());
    });
  });
}
const forge = (...args) => run("forge", args);
const cast = (...args) => run("cast", [...args, "--rpc-url", http]);
const sign = ["--private-key", key];
const send = async (...args) => JSON.parse(await cast("send", ...args, ...sign, "--json"));
const says = (text) => (error) => (error.message.includes(text) ? text : error.message);

await forge("build");
if (!http) process.exit(0);

// forge create, script, test on a fork.
const me = await run("cast", ["wallet", "address", ...sign]);
const to = await run("cast", ["to-check-sum-address", `0x${(await run("cast", ["keccak", me])).slice(-40)}`]);
const created = await forge("create", "contracts/Token.sol:Token", "--broadcast", "--json", "--rpc-url", http, ...sign, "--constructor-args", "1000000");
const { deployedTo: token } = JSON.parse(created.slice(created.indexOf("{")));
holds("forge create", (await cast("code", token)).length > 2);
// cast does not say when it has subscribed: this is long before the transfer. It prints when it is interrupted.
const subscribed = ["logs", "--subscribe", "--rpc-url", ws, "--json", "--address", token, "Transfer(address,address,uint256)"];
const subscription = spawn(program("cast"), subscribed, { stdio: ["ignore", "pipe", "inherit"] });
process.on("exit", () => subscription.kill());
let live = "";
subscription.stdout.on("data", (data) => (live += data));
const streamed = new Promise((resolve) => subscription.once("close", resolve));
const script = await forge("script", "foundry/script/Deploy.s.sol", "--broadcast", "--rpc-url", http, "--json");
const scripted = script.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
const { proxy, authority } = Object.fromEntries(Object.entries(scripted.find((line) => line.returns).returns).map(([name, { value }]) => [name, value]));
check("forge script --broadcast: the upgraded proxy", await cast("call", proxy, "value()(uint256)"), "6");
check("forge script: EIP-7702", [await cast("call", authority, "value()(uint256)"), (await cast("code", authority)).slice(0, 8)], ["11", "0xef0100"]);
const tested = await run("forge", ["test", "--fork-url", http], { TOKEN: token, PROXY: proxy });
holds("forge test --fork-url", tested.includes("4 tests passed, 0 failed"), tested);

// cast: write, read, events.
const receipt = await send(token, "transfer(address,uint256)", to, "42");
check("cast send", [receipt.status, receipt.logs.length], ["0x1", 1]);
check("cast call", await cast("call", token, "balanceOf(address)(uint256)", to), "42");
check("cast call at an older block", await cast("call", token, "balanceOf(address)(uint256)", to, "--block", String(Number(receipt.blockNumber) - 1)), "0");
const transfers = JSON.parse(await cast("logs", "--address", token, "--from-block", "0", "Transfer(address,address,uint256)", "--json"));
check("cast logs", transfers.map((log) => Number(log.data)), [1_000_000, 42]);
subscription.kill("SIGINT");
await within(30, "the end of cast logs --subscribe", streamed);
check("cast logs --subscribe over WebSocket", JSON.parse(live).map((log) => Number(log.data)), [42]);
const hash = receipt.transactionHash;
// cast executes what stands before it in the block too, and knows no forks of a chain it does not know.
const ran = await cast("run", hash, "--evm-version", "osaka");
holds("cast run", ran.includes("Transaction successfully executed"), ran);
const traced = JSON.parse(await cast("rpc", "debug_traceTransaction", hash, '{"tracer":"callTracer"}'));
check("cast rpc debug_traceTransaction", [traced.type, traced.to], ["CALL", token.toLowerCase()]);
const [frame] = JSON.parse(await cast("trace", hash));
check("cast trace", [frame.transactionHash, frame.action.to, BigInt(frame.result.output)], [hash, token.toLowerCase(), 1n]);
const raw = await cast("mktx", token, "transfer(address,uint256)", to, "7", ...sign);
const replayed = JSON.parse(await cast("trace", raw, "--raw", "--trace", "--vm-trace", "--state-diff"));
const [balances] = Object.values(replayed.stateDiff[token.toLowerCase()].storage).map((slot) => slot["*"]).filter(({ from }) => BigInt(from) === 42n);
check("cast trace --raw: what a transaction would do", [BigInt(replayed.output), replayed.trace[0].type, BigInt(balances.to)], [1n, "call", 49n]);
holds("cast trace --raw --vm-trace", replayed.vmTrace.ops.length > 50);
check("cast rpc", JSON.parse(await cast("rpc", "eth_chainId")), "0x539");
check("cast chain-id over WebSocket", await run("cast", ["chain-id", "--rpc-url", ws]), "1337");
check("cast tx", JSON.parse(await cast("tx", hash, "--json")).nonce, (await cast("rpc", "eth_getTransactionByHash", hash)).match(/"nonce":"(.*?)"/)[1]);
holds("cast receipt", JSON.parse(await cast("receipt", hash, "--json")).blockHash === receipt.blockHash);
holds("cast block", JSON.parse(await cast("block", receipt.blockNumber, "--full", "--json")).transactions.some((tx) => tx.hash === hash));
check("cast storage", BigInt(await cast("storage", token, "0")), 1_000_000n);
holds("cast proof", JSON.parse(await cast("proof", token, "0")).storageProof[0].proof.length > 0);
holds("cast access-list", (await cast("access-list", token, "totalSupply()", "--from", me)).toLowerCase().includes(token.toLowerCase()));
check("cast implementation", (await cast("implementation", proxy)).length, 42);
holds("cast base-fee, gas-price", BigInt(await cast("gas-price")) >= BigInt(await cast("base-fee")));
const { timestamp } = JSON.parse(await cast("block", receipt.blockNumber, "--json"));
check("cast find-block", await cast("find-block", String(Number(timestamp))), Number(receipt.blockNumber));

// Failing in every way.
const boxes = ["set(uint256)", "divide(uint256)", "silent()"];
await fails("revert with a reason", () => cast("call", proxy, boxes[0], "0"), says("execution reverted: a box is never empty"), "execution reverted: a box is never empty");
await fails("custom error", () => cast("call", proxy, boxes[0], "2000000"), says("0x677fd0e3"), "0x677fd0e3");
await fails("panic", () => cast("call", proxy, boxes[1], "0"), says("division or modulo by zero"), "division or modulo by zero");
await fails("revert without data", () => cast("call", proxy, boxes[2]), says("execution reverted"), "execution reverted");
await fails("gas estimation of a failing call", () => cast("estimate", proxy, boxes[0], "0"), says("a box is never empty"), "a box is never empty");
await fails("sending a failing call stops at the estimation", () => send(proxy, boxes[0], "0"), says("a box is never empty"), "a box is never empty");
await fails("a name on a chain without ENS", () => cast("resolve-name", "vitalik.eth"), (error) => /ENS|resolve/i.test(error.message), true);
await fails("a nonce that was used", () => send(to, "--nonce", "0", "--gas-limit", "21000"), says("nonce too low"), "nonce too low");

// Every type of transaction, one after another: cast takes its nonce from the node.
writeFileSync(`${scratch}/blob`, "Atoll's blob");
const box = await cast("implementation", proxy);
const delegate = await run("cast", ["wallet", "new", "--json"]);
const fresh = JSON.parse(delegate)[0];
const authorization = await run("cast", ["wallet", "sign-auth", box, "--rpc-url", http, "--private-key", fresh.private_key]);
const typed = [
  await send(to, "--value", "1", "--legacy"),
  await send(token, "transfer(address,uint256)", to, "1", "--access-list", "--legacy"),
  await send(to, "--value", "1"),
  await send(to, "--blob", "--path", `${scratch}/blob`, "--blob-gas-price", "1000000000"),
  await send(fresh.address, boxes[0], "11", "--auth", authorization, "--gas-limit", "200000"),
];
["legacy", "EIP-2930", "EIP-1559", "blob", "EIP-7702"].forEach((name, type) => {
  check(`${name} transaction`, [typed[type].status, Number(typed[type].type)], ["0x1", type]);
});
check("EIP-7702: the account has storage", await cast("call", fresh.address, "value()(uint256)"), "11");
const reverted = await send(proxy, boxes[0], "0", "--gas-limit", "100000").catch((error) => error.message);
holds("a failed transaction says so", reverted.status === "0x0" || /reverted|failed/i.test(reverted), reverted);

// A burst: half with nonces from the node, one after another, half with nonces counted here, all at once.
const before = Number(await cast("nonce", me));
const burst = [];
// cast takes the nonce of the latest block unless told otherwise.
const sendAs = (nonce) => cast("send", to, "--value", "1", "--async", "--nonce", String(nonce), ...sign);
for (let index = 0; index < BURST / 2; index++) burst.push(await sendAs(await cast("nonce", me, "--block", "pending")));
burst.push(...(await Promise.all(Array.from({ length: BURST / 2 }, (_, index) => sendAs(before + BURST / 2 + index)))));
const receipts = await within(80, "the burst", Promise.all(burst.map((each) => cast("receipt", each, "--json"))));
check(`a burst of ${BURST} is mined`, receipts.filter((each) => JSON.parse(each).status === "0x1").length, BURST);
check("the nonce after the burst", await cast("nonce", me), before + BURST);
console.log(JSON.stringify({ token, transaction: hash, to }));
process.exit(0);
