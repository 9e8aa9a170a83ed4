// web3.js v4 does everything a dApp does: deploys, writes, reads, fails in every way, watches events, sends the types of
// transactions it knows (it has no blob and no EIP-7702 transactions) and bursts of them.
// node web3js.mjs HTTP_URL WS_URL PRIVATE_KEY
import { Web3 } from "web3";
import { load } from "./build.mjs";
import { BURST, check, fails, holds, within } from "./check.mjs";

const [http, ws, key] = process.argv.slice(2);
const web3 = new Web3(http);
const socket = new Web3(ws);
web3.eth.transactionPollingInterval = 200;
web3.eth.transactionReceiptPollingInterval = 200;
web3.eth.contractDataInputFill = "data";
const { address: me } = web3.eth.accounts.wallet.add(key).get(0);
const { contracts: built } = await load();
const to = web3.eth.accounts.create().address;

// web3.js takes the nonce of the latest block unless told otherwise; what is sent without waiting needs its own.
let nonce = await web3.eth.getTransactionCount(me, "pending");
const options = () => ({ from: me, nonce: nonce++ });
const instance = (name, address) => {
  const contract = new web3.eth.Contract(built[name].abi, address);
  // The receipts' polling is a setting of each contract.
  contract.transactionReceiptPollingInterval = 200;
  contract.transactionPollingInterval = 200;
  return contract;
};
async function deploy(name, ...args) {
  const own = options();
  const deployment = instance(name).deploy({ data: built[name].bytecode, arguments: args });
  return instance(name, (await deployment.send(own)).options.address);
}

const [token, box, boxV2, shells, items, factory, lock] = await Promise.all([
  deploy("Token", 1_000_000n), deploy("Box"), deploy("BoxV2"), deploy("Collectible"), deploy("Items"), deploy("Factory"), deploy("Lock"),
]);
holds("contracts have code", (await web3.eth.getCode(token.options.address)).length > 2);

// Events, while they happen and afterwards.
const watched = new socket.eth.Contract(built.Token.abi, token.options.address);
const subscription = watched.events.Transfer({ filter: { to } });
const seen = new Promise((resolve, reject) => { subscription.on("data", resolve); subscription.on("error", reject); });
await new Promise((resolve) => subscription.on("connected", resolve));
const heads = await socket.eth.subscribe("newBlockHeaders");
const head = new Promise((resolve) => heads.once("data", resolve));
const pendings = await socket.eth.subscribe("pendingTransactions");
const pending = new Promise((resolve) => pendings.once("data", resolve));
const first = options();
const sending = token.methods.transfer(to, 1234n).send(first);
const hash = await new Promise((resolve, reject) => sending.once("transactionHash", resolve).once("error", reject));
check("the pending nonce counts the transaction just sent", await web3.eth.getTransactionCount(me, "pending"), first.nonce + 1n);
const writes = Promise.all([
  box.methods.set(7n).send(options()), shells.methods.mint(me).send(options()), items.methods.mintBatch(me, [1n, 2n], [10n, 20n]).send(options()),
  factory.methods.create(web3.utils.sha3("web3.js"), 9n).send(options()), lock.methods.stash(3n).send(options()),
]);
const receipt = await sending;
check("a transfer is mined with its event", [receipt.status, receipt.events.Transfer.returnValues.value], [1n, 1234n]);
check("balanceOf reads back", await token.methods.balanceOf(to).call(), 1234n);
check("balanceOf before the block", await token.methods.balanceOf(to).call({}, receipt.blockNumber - 1n), 0n);
check("event over WebSocket", (await within(30, "event", seen)).returnValues.value, 1234n);
holds("new head over WebSocket", (await within(30, "head", head)).number > 0n);
holds("pending transaction over WebSocket", /^0x[0-9a-f]{64}$/.test(await within(30, "pending", pending)));
const logs = await token.getPastEvents("Transfer", { filter: { to }, fromBlock: 0 });
check("event by query", logs.map((log) => [log.transactionHash, log.returnValues.value]), [[hash, 1234n]]);
const block = await web3.eth.getBlock(receipt.blockNumber, true);
holds("the block holds the transaction", block.transactions.some((tx) => tx.hash === hash));
await writes;

// Failing in every way.
const empty = "execution reverted: a box is never empty";
const reason = (error) => error.cause?.message ?? error.innerError?.message ?? error.message;
const custom = (error) => { const { errorName, errorArgs } = error.cause ?? error.innerError; return [errorName, errorArgs.given, errorArgs.most]; };
await fails("revert with a reason", () => box.methods.set(0n).call({ from: me }), reason, empty);
await fails("custom error", () => box.methods.set(2_000_000n).call({ from: me }), custom, ["TooLarge", 2_000_000n, 1_000_000n]);
await fails("panic", () => box.methods.divide(0n).call(), reason, "execution reverted: division or modulo by zero");
await fails("revert without data", () => box.methods.silent().call(), reason, "execution reverted");
await fails("gas estimation of a failing call", () => box.methods.set(0n).estimateGas({ from: me }), reason, empty);
await fails("gas estimation of a custom error", () => box.methods.set(2_000_000n).estimateGas({ from: me }), (error) => error.cause.data.slice(0, 10), web3.eth.abi.encodeFunctionSignature("TooLarge(uint256,uint256)"));
await fails("sending a failing call stops before it is sent", () => box.methods.set(0n).send({ from: me }), reason, empty);
const poor = web3.eth.accounts.wallet.add(web3.eth.accounts.create()).at(-1).address;
await fails("more ether than there is", () => web3.eth.sendTransaction({ from: poor, to, value: 1n, gas: 21_000n }, undefined, { checkRevertBeforeSending: false }), (error) => /insufficient funds/.test(reason(error)), true);
await fails("a nonce that was used", () => web3.eth.sendTransaction({ from: me, to, nonce: 0n, gas: 21_000n }, undefined, { checkRevertBeforeSending: false }), (error) => /nonce too low/.test(reason(error)), true);
await fails("a name on a chain without ENS", () => web3.eth.ens.checkNetwork(), (error) => error.name, "ENSUnsupportedNetworkError");

// What the other contracts do.
const raw = (request) => web3.eth.sendTransaction({ from: me, nonce: nonce++, ...request }, undefined, { checkRevertBeforeSending: false });
const failed = (sendingIt) => sendingIt.then((answer) => answer, (error) => error.receipt);
const [proxy, , , reverting, exhausting] = await Promise.all([
  deploy("Proxy", box.options.address, box.methods.set(5n).encodeABI()),
  shells.methods.safeTransferFrom(me, to, 1n).send(options()),
  items.methods.safeBatchTransferFrom(me, to, [1n, 2n], [3n, 4n], "0x").send(options()),
  failed(raw({ to: box.options.address, data: box.methods.set(0n).encodeABI(), gas: 100_000n })),
  failed(raw({ to: box.options.address, data: box.methods.endless().encodeABI(), gas: 100_000n })),
]);
check("a failed transaction says so", reverting.status, 0n);
check("all gas used up", [exhausting.status, exhausting.gasUsed], [0n, 100_000n]);
const behind = instance("BoxV2", proxy.options.address);
check("proxy: initialised", [await behind.methods.value().call(), await behind.methods.version().call()], [5n, 1n]);
await fails("proxy: an error of the implementation", () => behind.methods.set(2_000_000n).call(), custom, ["TooLarge", 2_000_000n, 1_000_000n]);
await proxy.methods.upgradeTo(boxV2.options.address).send(options());
await behind.methods.increment().send(options());
check("proxy: upgraded, its state kept", [await behind.methods.value().call(), await behind.methods.version().call()], [6n, 2n]);
check("ERC-721: the owner", await shells.methods.ownerOf(1n).call(), to);
check("ERC-1155: balances", await items.methods.balanceOfBatch([to, me], [1n, 2n]).call(), [3n, 16n]);
const predicted = await factory.methods.predict(web3.utils.sha3("web3.js")).call();
check("CREATE2: where it was predicted", await instance("Box", predicted).methods.value().call(), 9n);
check("transient storage: within a transaction", await lock.methods.stashAndLook(3n).call(), 3n);
check("transient storage: gone afterwards", await lock.methods.stashed().call(), 0n);
await fails("transient storage: the lock holds", () => lock.methods.reenter().call(), (error) => (error.cause ?? error.innerError).errorName, "Locked");

// The types of transactions.
const gasPrice = 2_000_000_000n;
const typed = await Promise.all([
  raw({ to, value: 1n, type: 0n, gasPrice, gas: 21_000n }),
  raw({ to, value: 1n, type: 1n, gasPrice, gas: 30_000n, accessList: [{ address: to, storageKeys: [] }] }),
  raw({ to, value: 1n, type: 2n, maxFeePerGas: gasPrice, maxPriorityFeePerGas: 1_000_000_000n, gas: 21_000n }),
]);
["legacy", "EIP-2930", "EIP-1559"].forEach((name, type) => {
  check(`${name} transaction`, [typed[type].status, typed[type].type], [1n, BigInt(type)]);
});
holds("fee history", (await web3.eth.getFeeHistory(3, "latest", [10, 50])).baseFeePerGas.length >= 2);
const proof = await web3.eth.getProof(token.options.address, [`0x${"0".repeat(64)}`], "latest");
check("proof", proof.storageProof[0].value, 1_000_000n);

// A burst: half with nonces from the node, one after another, half with nonces counted by the script, all at once.
const before = await web3.eth.getTransactionCount(me);
const acknowledged = (sendingIt) => new Promise((resolve, reject) => {
  // In an object, since a promise that resolves with another one waits for it.
  sendingIt.once("transactionHash", () => resolve({ sendingIt })).once("error", reject);
});
const request = { from: me, to, value: 1n, gas: 21_000n, maxFeePerGas: gasPrice, maxPriorityFeePerGas: 1_000_000_000n };
const burst = [];
for (let index = 0; index < BURST / 2; index++) {
  const own = { ...request, nonce: await web3.eth.getTransactionCount(me, "pending") };
  burst.push((await acknowledged(web3.eth.sendTransaction(own))).sendingIt);
}
for (let index = BURST / 2; index < BURST; index++) burst.push(web3.eth.sendTransaction({ ...request, nonce: before + BigInt(index) }));
const receipts = await within(80, "the burst", Promise.all(burst));
check(`a burst of ${BURST} is mined`, receipts.filter((each) => each.status === 1n).length, BURST);
check("the nonce after the burst", await web3.eth.getTransactionCount(me), before + BigInt(BURST));

console.log(JSON.stringify({ token: token.options.address, transaction: hash, to }));
process.exit(0);
