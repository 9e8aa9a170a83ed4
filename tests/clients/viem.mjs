// viem: deploy, write, read, watch events over WebSocket, sign typed data with a local account, fee history.
// node viem.mjs HTTP_URL WS_URL PRIVATE_KEY
import { createPublicClient, createWalletClient, defineChain, http, webSocket, parseGwei } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { check, compileToken } from "./token.mjs";

const [url, wsUrl, key] = process.argv.slice(2);
const account = privateKeyToAccount(key);
const probe = createPublicClient({ transport: http(url) });
const chain = defineChain({
  id: await probe.getChainId(),
  name: "Atoll",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: [url], webSocket: [wsUrl] } },
});
const reader = createPublicClient({ chain, transport: http(url), pollingInterval: 200 });
const watcher = createPublicClient({ chain, transport: webSocket(wsUrl) });
const wallet = createWalletClient({ account, chain, transport: http(url) });
const { abi, bytecode } = compileToken();

const deployed = await wallet.deployContract({ abi, bytecode, args: [5_000n] });
const { contractAddress } = await reader.waitForTransactionReceipt({ hash: deployed });
check(contractAddress, `deployed at ${contractAddress}`);
const to = privateKeyToAccount(generatePrivateKey()).address;
const seen = new Promise((resolve, reject) => {
  watcher.watchContractEvent({ address: contractAddress, abi, eventName: "Transfer", args: { to }, onLogs: resolve, onError: reject });
});
await watcher.getBlockNumber();
const { request } = await reader.simulateContract({ account, address: contractAddress, abi, functionName: "transfer", args: [to, 77n] });
const hash = await wallet.writeContract(request);
const receipt = await reader.waitForTransactionReceipt({ hash });
check(receipt.status === "success", "transfer is mined");
check((await reader.readContract({ address: contractAddress, abi, functionName: "balanceOf", args: [to] })) === 77n, "balance reads back");
check((await seen)[0].args.value === 77n, "event over WebSocket");
const fees = await reader.getFeeHistory({ blockCount: 3, rewardPercentiles: [10, 50] });
check(fees.baseFeePerGas.length >= 2, "fee history");
const block = await reader.getBlock({ blockHash: receipt.blockHash, includeTransactions: true });
check(block.transactions.some((tx) => tx.hash === hash), "block with transactions");
const eip2930 = await wallet.sendTransaction({ to, value: 1n, gasPrice: parseGwei("2"), accessList: [{ address: to, storageKeys: [] }] });
check((await reader.waitForTransactionReceipt({ hash: eip2930 })).type === "eip2930", "access list transaction");
const authority = privateKeyToAccount(generatePrivateKey());
const authorization = await wallet.signAuthorization({ account: authority, contractAddress });
const eip7702 = await wallet.sendTransaction({ to: authority.address, data: "0x18160ddd", authorizationList: [authorization] });
check((await reader.waitForTransactionReceipt({ hash: eip7702 })).status === "success", "EIP-7702 transaction");
check((await reader.getCode({ address: authority.address }))?.startsWith("0xef0100"), "delegation designator is code");
const access = await reader.createAccessList({ account: account.address, to: contractAddress, data: "0x18160ddd" });
check(access.accessList.length >= 0 && access.gasUsed > 0n, "access list is made");
const proof = await reader.getProof({ address: contractAddress, storageKeys: ["0x0000000000000000000000000000000000000000000000000000000000000000"] });
check(proof.accountProof.length > 0 && proof.storageProof[0].value === 5_000n, "proof");
console.log(JSON.stringify({ token: contractAddress, transaction: hash, to }));
process.exit(0);
