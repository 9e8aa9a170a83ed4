// ethers v6 does everything a dApp does: deploys, writes, reads, fails in every way, watches events, sends every type of
// transaction and bursts of them.
// node ethers.mjs HTTP_URL WS_URL PRIVATE_KEY
import { ethers } from "ethers";
import { load } from "./build.mjs";
import { answered, BURST, check, counted, fails, holds, within } from "./check.mjs";

const [http, ws, key] = process.argv.slice(2);
const provider = new ethers.JsonRpcProvider(http, undefined, { pollingInterval: 200, cacheTimeout: -1 });
const socket = new ethers.WebSocketProvider(ws);
const wallet = new ethers.Wallet(key, provider);
// Counts nonces itself, so that what does not depend on each other can be sent without waiting.
const manager = new ethers.NonceManager(wallet);
const { contracts: built, blob } = await load();
const stranger = () => ethers.Wallet.createRandom(provider);
const to = stranger().address;
const all = (...sendings) => Promise.all(sendings.map(async (sending) => (await sending).wait()));
const deploy = (name, ...args) => new ethers.ContractFactory(built[name].abi, built[name].bytecode, manager).deploy(...args);

const contracts = await Promise.all([
  deploy("Token", 1_000_000n), deploy("Box"), deploy("BoxV2"), deploy("Collectible"), deploy("Items"), deploy("Factory"), deploy("Lock"),
]);
await Promise.all(contracts.map((contract) => contract.waitForDeployment()));
const [token, box, boxV2, shells, items, factory, lock] = contracts;
const address = await token.getAddress();
holds("contracts have code", (await provider.getCode(address)).length > 2);

// Events, while they happen and afterwards.
const transferTo = (resolve) => (from, receiver, value) => receiver === to && resolve(value);
const filter = answered("eth_newFilter");
await provider.on("debug", ({ action, payload, result }) => (action === "sendRpcPayload" ? filter.asked(payload) : result && filter.got(result)));
const seen = new Promise((resolve) => token.connect(socket).on("Transfer", transferTo(resolve)));
const polled = new Promise((resolve) => token.on("Transfer", transferTo(resolve)));
const pending = new Promise((resolve) => socket.once("pending", resolve));
const heads = new Promise((resolve) => socket.once("block", resolve));
// A call over the socket is answered only after the subscriptions before it.
await socket.getBlockNumber();
await within(60, "the filter that is polled", filter.promise);
const sent = await token.transfer(to, 1234n);
check("the pending nonce counts the transaction just sent", await provider.getTransactionCount(wallet.address, "pending"), sent.nonce + 1);
const writes = all(
  box.set(7n), shells.mint(wallet.address), items.mintBatch(wallet.address, [1n, 2n], [10n, 20n]), factory.create(ethers.id("ethers"), 9n), lock.stash(3n),
);
const receipt = await sent.wait();
check("a transfer is mined with its log", [receipt.status, receipt.logs.length], [1, 1]);
check("balanceOf reads back", await token.balanceOf(to), 1234n);
check("balanceOf before the block", await token.balanceOf(to, { blockTag: receipt.blockNumber - 1 }), 0n);
check("event over WebSocket", await within(30, "event", seen), 1234n);
check("event by a polled filter", await within(30, "event", polled), 1234n);
holds("new head over WebSocket", (await within(30, "head", heads)) > 0);
holds("pending transaction over WebSocket", /^0x[0-9a-f]{64}$/.test(await within(30, "pending", pending)));
token.removeAllListeners();
const logs = await token.queryFilter(token.filters.Transfer(null, to));
check("event by query", logs.map((log) => [log.transactionHash, log.args.value]), [[sent.hash, 1234n]]);
const block = await provider.getBlock(receipt.blockNumber, true);
holds("the block holds the transaction", block.prefetchedTransactions.some((tx) => tx.hash === sent.hash));
check("the signer is recovered", ethers.Transaction.from(await provider.getTransaction(sent.hash)).from, wallet.address);
await writes;

// Failing in every way.
const named = (error) => [error.code, error.revert?.name ?? null, error.reason];
const custom = (error) => [error.revert.name, ...error.revert.args];
await fails("revert with a reason", () => box.set.staticCall(0n), named, ["CALL_EXCEPTION", "Error", "a box is never empty"]);
await fails("custom error", () => box.set.staticCall(2_000_000n), custom, ["TooLarge", 2_000_000n, 1_000_000n]);
await fails("panic", () => box.divide(0n), named, ["CALL_EXCEPTION", "Panic", "Panic due to DIVIDE_BY_ZERO(18)"]);
await fails("revert without data", () => box.silent(), named, ["CALL_EXCEPTION", null, "require(false)"]);
await fails("gas estimation of a failing call", () => box.set.estimateGas(0n), named, ["CALL_EXCEPTION", "Error", "a box is never empty"]);
await fails("gas estimation of a custom error", () => box.set.estimateGas(2_000_000n), (error) => box.interface.parseError(error.data).name, "TooLarge");
const own = box.connect(wallet);
await fails("sending a failing call stops at the estimation", () => own.set(0n), (error) => [error.action, error.reason], ["estimateGas", "a box is never empty"]);
await fails("more ether than there is", () => stranger().sendTransaction({ to, value: 1n, gasLimit: 21_000n }), (error) => error.code, "INSUFFICIENT_FUNDS");
await fails("a nonce that was used", () => wallet.sendTransaction({ to, nonce: 0, gasLimit: 21_000n }), (error) => error.code, "NONCE_EXPIRED");
await fails("a name on a chain without ENS", () => provider.getBalance("vitalik.eth"), (error) => [error.code, error.operation], ["UNSUPPORTED_OPERATION", "getEnsAddress"]);
const reverting = await own.set(0n, { gasLimit: 100_000n });
const exhausting = await own.endless({ gasLimit: 100_000n });
manager.reset();

// What the other contracts do.
const proxy = await deploy("Proxy", await box.getAddress(), box.interface.encodeFunctionData("set", [5n]));
const more = all(shells.safeTransferFrom(wallet.address, to, 1n), items.safeBatchTransferFrom(wallet.address, to, [1n, 2n], [3n, 4n], "0x"));
await fails("a failed transaction says so", () => reverting.wait(), (error) => [error.code, error.receipt.status], ["CALL_EXCEPTION", 0]);
await fails("all gas used up", () => exhausting.wait(), (error) => error.receipt.gasUsed, 100_000n);
await proxy.waitForDeployment();
await more;
const behind = boxV2.attach(proxy);
check("proxy: initialised", [await behind.value(), await behind.version()], [5n, 1n]);
await fails("proxy: an error of the implementation", () => behind.set.staticCall(2_000_000n), custom, ["TooLarge", 2_000_000n, 1_000_000n]);
const upgrading = await proxy.upgradeTo(boxV2);
const incrementing = await behind.increment({ gasLimit: 100_000n }); // the upgrade is still pending
check("ERC-721: the owner", await shells.ownerOf(1n), to);
await fails("ERC-721: another's shell", () => shells.safeTransferFrom.staticCall(to, address, 1n), (error) => error.revert.name, "NotAuthorized");
check("ERC-1155: balances", [...(await items.balanceOfBatch([to, wallet.address], [1n, 2n]))], [3n, 16n]);
check("CREATE2: where it was predicted", await box.attach(await factory.predict(ethers.id("ethers"))).value(), 9n);
check("transient storage: within a transaction", await lock.stashAndLook.staticCall(3n), 3n);
check("transient storage: gone afterwards", await lock.stashed(), 0n);
await fails("transient storage: the lock holds", () => lock.reenter.staticCall(), (error) => error.revert.name, "Locked");
await all(upgrading, incrementing);
check("proxy: upgraded, its state kept", [await behind.value(), await behind.version()], [6n, 2n]);
const slot = BigInt(ethers.id("eip1967.proxy.admin")) - 1n;
check("proxy: its admin by eth_getStorageAt", ethers.dataSlice(await provider.getStorage(proxy, slot), 12), wallet.address.toLowerCase());

// Every type of transaction.
const gasPrice = 2_000_000_000n;
const authority = stranger();
const authorization = await authority.authorize({ address: await box.getAddress(), nonce: 0 });
const sidecar = { data: blob.data, commitment: blob.commitment, proof: ethers.concat(blob.cellProofs) };
const types = [
  { to, value: 1n, type: 0, gasPrice },
  { to, value: 1n, type: 1, gasPrice, accessList: [{ address, storageKeys: [ethers.ZeroHash] }] },
  { to, value: 1n, type: 2 },
  { to, type: 3, blobWrapperVersion: 1, blobs: [sidecar], maxFeePerBlobGas: gasPrice },
  { to: authority.address, type: 4, data: box.interface.encodeFunctionData("set", [11n]), authorizationList: [authorization], gasLimit: 200_000n },
];
const typed = await all(...types.map((request) => manager.sendTransaction(request)));
["legacy", "EIP-2930", "EIP-1559", "blob", "EIP-7702"].forEach((name, type) => {
  check(`${name} transaction`, [typed[type].status, typed[type].type], [1, type]);
});
check("blob gas is paid for", typed[3].blobGasUsed, 131_072n);
check("EIP-7702: the account has code", (await provider.getCode(authority.address)).startsWith("0xef0100"), true);
check("EIP-7702: the account has storage", await box.attach(authority.address).value(), 11n);
holds("fee data is complete", (await provider.getFeeData()).maxPriorityFeePerGas > 0n);

// A burst: half with nonces from the node, one after another, half with nonces counted by the client, all at once.
const before = await provider.getTransactionCount(wallet.address);
const receiver = stranger().address;
const events = new Set();
const streamed = new Promise((resolve) => {
  const onTransfer = ({ log }) => events.add(log.transactionHash).size === BURST && resolve();
  token.connect(socket).on(token.filters.Transfer(null, receiver), onTransfer);
});
await socket.getBlockNumber();
const burst = [];
while (burst.length < BURST / 2) {
  burst.push(await token.connect(wallet).transfer(receiver, 1n));
  counted(burst);
}
manager.reset();
burst.push(...(await Promise.all(Array.from({ length: BURST / 2 }, () => token.transfer(receiver, 1n)))));
const nonces = burst.map((tx) => tx.nonce).sort((a, b) => a - b);
check("a burst takes nonces without a gap", nonces, Array.from({ length: BURST }, (_, index) => before + index));
const receipts = await within(80, "the burst", Promise.all(burst.map((tx) => tx.wait())));
check(`a burst of ${BURST} is mined`, receipts.filter((each) => each.status === 1).length, BURST);
await within(30, `the burst's ${BURST} events over WebSocket, of which ${events.size} came`, streamed);
check("every event of the burst over WebSocket", [...events].sort(), burst.map((tx) => tx.hash).sort());
check("the nonce after the burst", await provider.getTransactionCount(wallet.address), before + BURST);

console.log(JSON.stringify({ token: address, transaction: sent.hash, to }));
await socket.destroy();
provider.destroy();
