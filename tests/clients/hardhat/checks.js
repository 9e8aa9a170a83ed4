// What a Hardhat script does with hardhat-ethers: run by `hardhat run`, for hardhat.mjs.
import hre from "hardhat";
import { BURST, check, fails, holds, within } from "../check.mjs";

const { ethers } = await hre.network.getOrCreate();
const [signer] = await ethers.getSigners();
const to = ethers.Wallet.createRandom().address;

const token = await ethers.deployContract("Token", [1_000_000n]);
await token.waitForDeployment();
const sent = await token.transfer(to, 42n);
const receipt = await sent.wait();
check("a transfer is mined with its log", [receipt.status, receipt.logs.length], [1, 1]);
check("balanceOf reads back", await token.balanceOf(to), 42n);
const logs = await token.queryFilter(token.filters.Transfer(null, to));
check("event by query", logs.map((log) => log.args.value), [42n]);

const box = await ethers.deployContract("Box");
await box.waitForDeployment();
const says = (text) => (error) => (error.message.includes(text) ? text : error.message);
await fails("revert with a reason", () => box.set.staticCall(0n), says("a box is never empty"), "a box is never empty");
await fails("custom error", () => box.set.staticCall(2_000_000n), (error) => box.interface.parseError(error.data).name, "TooLarge");
await fails("panic", () => box.divide(0n), says("division or modulo by zero"), "division or modulo by zero");
await fails("gas estimation of a failing call", () => box.set.estimateGas(0n), says("a box is never empty"), "a box is never empty");
await fails("sending a failing call stops at the estimation", () => box.set(0n), says("a box is never empty"), "a box is never empty");
await fails("a name on a chain without ENS", () => signer.sendTransaction({ to: "vitalik.eth" }), (error) => /ENS|ens|resolve/.test(error.message), true);
const reverting = await box.set(0n, { gasLimit: 100_000n });
await fails("a failed transaction says so", () => reverting.wait(), (error) => error.receipt.status, 0);

const gasPrice = 2_000_000_000n;
for (const [type, fees] of [[0, { gasPrice }], [1, { gasPrice, accessList: [{ address: to, storageKeys: [] }] }], [2, {}]]) {
  const mined = await (await signer.sendTransaction({ to, value: 1n, ...fees, ...(type === 2 ? {} : { type }) })).wait();
  check(`transaction of type ${type}`, [mined.status, mined.type], [1, type]);
}

const before = await ethers.provider.getTransactionCount(signer.address);
const burst = [];
for (let index = 0; index < BURST; index++) burst.push(await signer.sendTransaction({ to, value: 1n }));
const receipts = await within(80, "the burst", Promise.all(burst.map((tx) => tx.wait())));
check(`a burst of ${BURST} is mined`, receipts.filter((each) => each.status === 1).length, BURST);
check("the nonce after the burst", await ethers.provider.getTransactionCount(signer.address), before + BURST);
holds("code", (await ethers.provider.getCode(token)).length > 2);
console.log(JSON.stringify({ token: await token.getAddress(), transaction: sent.hash, to }));
process.exit(0);
