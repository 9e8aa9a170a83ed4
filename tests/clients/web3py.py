"""web3.py does everything a dApp does: deploys, writes, reads, fails in every way, watches events, sends every type of
transaction and bursts of them.
python web3py.py HTTP_URL WS_URL PRIVATE_KEY"""

import asyncio
import json
import os
import subprocess
import sys

from eth_account import Account
from web3 import AsyncHTTPProvider, AsyncWeb3, HTTPProvider, Web3, WebSocketProvider
from web3.exceptions import BadFunctionCallOutput, ContractCustomError, ContractLogicError, ContractPanicError, Web3RPCError

HTTP, WS, KEY = sys.argv[1:4]
BURST = 50
# The first blob that a node sees makes it load KZG's trusted setup, which takes some seconds of CPU.
w3 = Web3(HTTPProvider(HTTP, request_kwargs={"timeout": 60}))
w3.eth.account = Account
me = Account.from_key(KEY)
to = Account.create().address
here = os.path.dirname(os.path.abspath(__file__))
built = subprocess.run(["node", os.path.join(here, "build.mjs")], check=True, capture_output=True, text=True).stdout.strip()
with open(built, encoding="utf8") as file:
    made = json.load(file)
contracts = made["contracts"]


def check(what, got, expected):
    if got != expected:
        sys.exit(f"FAILED: {what}: expected {expected!r}, got {got!r}")
    print(f"ok: {what}", flush=True)


def fails(what, action, kind, expected):
    """The action must fail with an error of this kind whose text holds what is expected."""
    try:
        got = action()
    except kind as error:
        if expected not in str(error):
            sys.exit(f"FAILED: {what}: expected an error with {expected!r}, got {error!r}")
        print(f"ok: {what}: {error}", flush=True)
        return
    except Exception as error:  # noqa: BLE001
        sys.exit(f"FAILED: {what}: expected {kind}, got {error!r}")
    sys.exit(f"FAILED: {what}: expected {kind}, got the answer {got!r}")


# Nonces are counted here, so that what does not depend on each other can be sent without waiting.
nonce = w3.eth.get_transaction_count(me.address, "pending")


def send(transaction, **fields):
    global nonce
    own = {"from": me.address, "nonce": nonce, "chainId": w3.eth.chain_id, **fields}
    filled = transaction.build_transaction(own) if hasattr(transaction, "build_transaction") else {**own, **transaction}
    nonce += 1
    return w3.eth.send_raw_transaction(me.sign_transaction(filled).raw_transaction)


def receipts(*hashes):
    return [w3.eth.wait_for_transaction_receipt(each, timeout=80, poll_latency=0.2) for each in hashes]


def instance(name, address):
    return w3.eth.contract(address=address, abi=contracts[name]["abi"])


def deploying(name, *args):
    return send(w3.eth.contract(abi=contracts[name]["abi"], bytecode=contracts[name]["bytecode"]).constructor(*args))


names = ["Token", "Box", "BoxV2", "Collectible", "Items", "Factory", "Lock"]
deployed = receipts(*[deploying(name, *([1_000_000] if name == "Token" else [])) for name in names])
token, box, box_v2, shells, items, factory, lock = [
    instance(name, receipt["contractAddress"]) for name, receipt in zip(names, deployed)
]
check("contracts have code", len(w3.eth.get_code(token.address)) > 2, True)


# Events, while they happen and afterwards.
async def watch():
    async with AsyncWeb3(WebSocketProvider(WS)) as socket:
        topics = [w3.keccak(text="Transfer(address,address,uint256)"), None, "0x" + to[2:].lower().rjust(64, "0")]
        subscriptions = {
            await socket.eth.subscribe("logs", {"address": token.address, "topics": topics}): "event",
            await socket.eth.subscribe("newHeads"): "new head",
            await socket.eth.subscribe("newPendingTransactions"): "pending transaction",
        }
        transfer = send(token.functions.transfer(to, 1234))
        pending = await socket.eth.get_transaction_count(me.address, "pending")
        check("the pending nonce counts the transaction just sent", pending, nonce)
        seen = {}
        async for message in socket.socket.process_subscriptions():
            seen[subscriptions[message["subscription"]]] = message["result"]
            if len(seen) == len(subscriptions):
                break
        return transfer, seen


filtered = token.events.Transfer.create_filter(from_block="latest", argument_filters={"to": to})
transfer, seen = asyncio.run(asyncio.wait_for(watch(), 60))
writes = [
    send(each)
    for each in (
        box.functions.set(7),
        shells.functions.mint(me.address),
        items.functions.mintBatch(me.address, [1, 2], [10, 20]),
        factory.functions.create(w3.keccak(text="web3.py"), 9),
        lock.functions.stash(3),
    )
]
(receipt,) = receipts(transfer)
check("a transfer is mined with its log", (receipt["status"], len(receipt["logs"])), (1, 1))
check("balanceOf reads back", token.functions.balanceOf(to).call(), 1234)
check("balanceOf before the block", token.functions.balanceOf(to).call(block_identifier=receipt["blockNumber"] - 1), 0)
check("event over WebSocket", int(seen["event"]["data"].hex(), 16), 1234)
check("new head over WebSocket", seen["new head"]["number"] > 0, True)
check("pending transaction over WebSocket", len(seen["pending transaction"]), 32)
check("event by a polled filter", [log["args"]["value"] for log in filtered.get_new_entries()], [1234])
logs = token.events.Transfer.get_logs(from_block=0, argument_filters={"to": to})
check("event by query", [(log["transactionHash"], log["args"]["value"]) for log in logs], [(transfer, 1234)])
block = w3.eth.get_block(receipt["blockNumber"], full_transactions=True)
check("the block holds the transaction", any(tx["hash"] == transfer for tx in block["transactions"]), True)
receipts(*writes)

# Failing in every way.
too_large = w3.keccak(text="TooLarge(uint256,uint256)")[:4].hex()
fails("revert with a reason", box.functions.set(0).call, ContractLogicError, "a box is never empty")
fails("custom error", box.functions.set(2_000_000).call, ContractCustomError, too_large)
fails("panic", box.functions.divide(0).call, ContractPanicError, "Panic error 0x12")
fails("revert without data", box.functions.silent().call, ContractLogicError, "execution reverted")
fails("gas estimation of a failing call", box.functions.set(0).estimate_gas, ContractLogicError, "a box is never empty")
fails("gas estimation of a custom error", box.functions.set(2_000_000).estimate_gas, ContractCustomError, too_large)
poor = Account.create()
bare = {"to": to, "value": 1, "gas": 21_000, "gasPrice": 2 * 10**9, "chainId": w3.eth.chain_id}


def raw(account, number):
    return w3.eth.send_raw_transaction(account.sign_transaction({**bare, "nonce": number}).raw_transaction)


fails("more ether than there is", lambda: raw(poor, 0), Web3RPCError, "insufficient funds")
fails("a nonce that was used", lambda: raw(me, 0), Web3RPCError, "nonce too low")
fails("a name on a chain without ENS", lambda: w3.eth.get_balance("vitalik.eth"), BadFunctionCallOutput, "is contract deployed correctly")

# What the other contracts do.
upgraded = [
    deploying("Proxy", box.address, box.encode_abi("set", args=[5])),
    send(shells.functions.safeTransferFrom(me.address, to, 1)),
    send(items.functions.safeBatchTransferFrom(me.address, to, [1, 2], [3, 4], b"")),
    send(box.functions.set(0), gas=100_000),
    send(box.functions.endless(), gas=100_000),
]
created, _, _, reverting, exhausting = receipts(*upgraded)
check("a failed transaction says so", reverting["status"], 0)
check("all gas used up", (exhausting["status"], exhausting["gasUsed"]), (0, 100_000))
proxy, behind = instance("Proxy", created["contractAddress"]), instance("BoxV2", created["contractAddress"])
check("proxy: initialised", (behind.functions.value().call(), behind.functions.version().call()), (5, 1))
fails("proxy: an error of the implementation", behind.functions.set(2_000_000).call, ContractCustomError, too_large)
upgrades = [send(proxy.functions.upgradeTo(box_v2.address)), send(behind.functions.increment(), gas=100_000)]
check("ERC-721: the owner", shells.functions.ownerOf(1).call(), to)
check("ERC-1155: balances", items.functions.balanceOfBatch([to, me.address], [1, 2]).call(), [3, 16])
predicted = factory.functions.predict(w3.keccak(text="web3.py")).call()
check("CREATE2: where it was predicted", instance("Box", predicted).functions.value().call(), 9)
check("transient storage: within a transaction", lock.functions.stashAndLook(3).call(), 3)
check("transient storage: gone afterwards", lock.functions.stashed().call(), 0)
locked = w3.keccak(text="Locked()")[:4].hex()
fails("transient storage: the lock holds", lock.functions.reenter().call, ContractCustomError, locked)
receipts(*upgrades)
check("proxy: upgraded, its state kept", (behind.functions.value().call(), behind.functions.version().call()), (6, 2))

# Every type of transaction.
price = {"maxFeePerGas": 2 * 10**9, "maxPriorityFeePerGas": 10**9}
authority = Account.create()
authorization = authority.sign_authorization({"chainId": w3.eth.chain_id, "address": box.address, "nonce": 0})
access = [{"address": token.address, "storageKeys": ["0x" + "00" * 32]}]


def send_blob():
    global nonce
    fields = {"to": to, "type": 3, "gas": 21_000, "maxFeePerBlobGas": 10**9, "nonce": nonce, "chainId": w3.eth.chain_id, **price}
    signed = me.sign_transaction(fields, blobs=[bytes.fromhex(made["blob"]["data"][2:])])
    nonce += 1
    return w3.eth.send_raw_transaction(signed.raw_transaction)


typed = receipts(
    send({"to": to, "value": 1, "gas": 21_000, "gasPrice": 2 * 10**9}),
    send({"to": to, "value": 1, "gas": 30_000, "gasPrice": 2 * 10**9, "type": 1, "accessList": access}),
    send({"to": to, "value": 1, "gas": 21_000, **price}),
    send_blob(),
    send({
        "to": authority.address, "value": 0, "gas": 200_000, "data": box.encode_abi("set", args=[11]),
        "authorizationList": [authorization], **price,
    }),
)
for number, name in enumerate(["legacy", "EIP-2930", "EIP-1559", "blob", "EIP-7702"]):
    check(f"{name} transaction", (typed[number]["status"], typed[number]["type"]), (1, number))
check("blob gas is paid for", typed[3]["blobGasUsed"], 131_072)
check("EIP-7702: the account has code", w3.eth.get_code(authority.address).hex().startswith("ef0100"), True)
check("EIP-7702: the account has storage", instance("Box", authority.address).functions.value().call(), 11)
check("fee history", len(w3.eth.fee_history(3, "latest", [10, 50])["baseFeePerGas"]) >= 2, True)
check("proof", w3.eth.get_proof(token.address, [0])["storageProof"][0]["value"], (1_000_000).to_bytes(3))
check("access list", w3.eth.create_access_list({"to": token.address, "data": "0x18160ddd"})["accessList"][0]["address"], token.address)

# A burst: half with nonces from the node, one after another, half with nonces counted here, all at once.
before = w3.eth.get_transaction_count(me.address)


def sign(number):
    return me.sign_transaction({**bare, "nonce": number}).raw_transaction


async def at_once(numbers):
    many = AsyncWeb3(AsyncHTTPProvider(HTTP))
    sent = await asyncio.gather(*[many.eth.send_raw_transaction(sign(number)) for number in numbers])
    await many.provider.disconnect()
    return sent


burst = []
for _ in range(BURST // 2):
    burst.append(w3.eth.send_raw_transaction(sign(w3.eth.get_transaction_count(me.address, "pending"))))
burst.extend(asyncio.run(at_once(range(before + BURST // 2, before + BURST))))
mined = receipts(*burst)
check(f"a burst of {BURST} is mined", sum(each["status"] for each in mined), BURST)
check("the nonce after the burst", w3.eth.get_transaction_count(me.address), before + BURST)
print(json.dumps({"token": token.address, "transaction": "0x" + transfer.hex().removeprefix("0x"), "to": to}))
