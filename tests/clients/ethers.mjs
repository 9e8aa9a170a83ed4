// ethers v6: deploy, transfer, read back, watch events over WebSocket, see a revert reason.
// node ethers.mjs HTTP_URL WS_URL PRIVATE_KEY
import { ethers } from "ethers";
import { check, compileToken } from "./token.mjs";

const [http, ws, key] = process.argv.slice(2);
const provider = new ethers.JsonRpcProvider(http, undefined, { pollingInterval: 200, cacheTimeout: -1 });
const socket = new ethers.WebSocketProvider(ws);
const wallet = new ethers.Wallet(key, provider);
const { abi, bytecode } = compileToken();

const token = await new ethers.ContractFactory(abi, bytecode, wallet).deploy(1_000_000n);
await token.waitForDeployment();
const address = await token.getAddress();
check((await provider.getCode(address)).length > 2, `code at ${address}`);

const watched = new ethers.Contract(address, abi, socket);
const to = ethers.Wallet.createRandom().address;
const seen = new Promise((resolve) => watched.on("Transfer", (from, receiver, value) => receiver === to && resolve(value)));
// A call over the socket is answered only after the subscription before it.
await socket.getBlockNumber();
const heads = new Promise((resolve) => socket.once("block", resolve));

const sent = await token.transfer(to, 1234n);
check((await provider.getTransactionCount(wallet.address, "pending")) >= sent.nonce + 1, "pending nonce counts the transaction just sent");
const receipt = await sent.wait();
check(receipt.status === 1 && receipt.logs.length === 1, "transfer is mined with its log");
check((await token.balanceOf(to)) === 1234n, "balance reads back");
check((await seen) === 1234n, "event over WebSocket");
check((await heads) > 0, "new head over WebSocket");
const logs = await token.queryFilter(token.filters.Transfer(null, to));
check(logs.length === 1 && logs[0].transactionHash === sent.hash, "event by query");

let reason = "";
try {
  await token.connect(ethers.Wallet.createRandom(provider)).transfer.staticCall(to, 1n);
} catch (error) {
  reason = error.revert?.name ?? String(error);
}
check(reason === "InsufficientBalance", `custom error is decoded (${reason})`);

const several = await Promise.all([0, 1, 2, 3, 4].map((index) =>
  wallet.sendTransaction({ to, value: 1n, nonce: sent.nonce + 1 + index, gasLimit: 21000n }),
));
const receipts = await Promise.all(several.map((tx) => tx.wait()));
check(receipts.every((each) => each.status === 1), "five transactions sent at once are mined");
console.log(JSON.stringify({ token: address, transaction: sent.hash, to }));
await socket.destroy();
provider.destroy();
