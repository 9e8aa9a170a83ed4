#!/usr/bin/env python3
"""Sets a single mining node of Atoll beside anvil under the load of `loadgen`, on one machine in one run.

    benches/versus.py --loadgen PATH --anvil PATH [--atoll target/release/atoll] [--rounds 5] [--only tps,erc20,rpc]

Both get the same gas limit and a block time of one second; Atoll seals with proof of work and keeps its chain on disk. Every
measurement has a fresh node. Reads go to a chain of blocks that each carry one ERC-20 transfer; all but eth_getLogs may
as well be measured on a short one (--range 5). Prints a table of
medians and ratios; every line of loadgen goes to the file named by --log.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
import urllib.request

MNEMONIC = "test test test test test test test test test test test junk"
WRITES = {
    "100 senders, batches of 100": ["--senders", "100", "--batch", "100"],
    "100 senders, one by one": ["--senders", "100", "--batch", "1", "--concurrency", "16"],
    "1 sender, batches of 100": ["--senders", "1", "--batch", "100"],
    "1 sender, one by one": ["--senders", "1", "--batch", "1"],
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loadgen", required=True)
    parser.add_argument("--anvil", required=True)
    parser.add_argument("--atoll", default="target/release/atoll")
    parser.add_argument("--genesis", default=os.path.join(os.path.dirname(__file__), "..", "genesis", "ethash.json"))
    parser.add_argument("--gas-limit", type=int, default=1_000_000_000)
    parser.add_argument("--n", type=int, default=60_000, help="transactions of a measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--range", default="1000", help="blocks of the chain that is read, each with a transfer")
    parser.add_argument("--methods", default="", help="only these of rpc")
    parser.add_argument("--secs", type=int, default=5, help="seconds a method is read for")
    parser.add_argument("--only", default="tps,erc20,rpc")
    parser.add_argument("--match", default="", help="only the write runs whose name holds this")
    parser.add_argument("--nodes", default="anvil,atoll")
    parser.add_argument("--port", type=int, default=18545)
    parser.add_argument("--log", default=os.devnull)
    return parser.parse_args()


def call(port, method, *params):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)["result"]


class Node:
    """A fresh node, from start to stop."""

    def __init__(self, args, which, mining):
        self.args = args
        self.dir = tempfile.mkdtemp(prefix="versus-")
        command = self.anvil(mining) if which == "anvil" else self.atoll(mining)
        self.log = open(os.path.join(self.dir, "log"), "w", encoding="utf-8")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        deadline = time.time() + 60
        while True:
            try:
                # Past the first blocks: the difficulty has then found the speed of the machine.
                if int(call(args.port, "eth_blockNumber"), 16) >= (3 if mining else 0):
                    return
            except OSError:
                pass
            if self.process.poll() is not None or time.time() > deadline:
                raise SystemExit(f"{which} does not start: see {self.log.name}")
            time.sleep(0.1)

    def anvil(self, mining):
        command = [self.args.anvil, "--port", str(self.args.port), "--gas-limit", str(self.args.gas_limit)]
        command += ["--chain-id", "1337", "--silent", "--mnemonic", MNEMONIC, "--order", "fees"]
        return command + (["--block-time", "1"] if mining else [])

    def atoll(self, mining):
        with open(self.args.genesis, encoding="utf-8") as file:
            genesis = json.load(file)
        genesis["gasLimit"] = hex(self.args.gas_limit)
        genesis["config"]["ethash"]["blockTime"] = 1
        path = os.path.join(self.dir, "genesis.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(genesis, file)
        command = [self.args.atoll, "node", "--genesis", path, "--data-dir", os.path.join(self.dir, "data")]
        command += ["--rpc.listen", f"127.0.0.1:{self.args.port}", "--p2p.listen", f"127.0.0.1:{self.args.port + 1}"]
        command += ["--miner.gas-limit", str(self.args.gas_limit), "--http.api", "eth,net,web3,txpool,evm"]
        command += ["--miner.account", "0x000000000000000000000000000000000000c0de"]
        return command + (["--mine"] if mining else [])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def loadgen(args, log, which, *rest):
    command = [args.loadgen, *rest, "--url", f"http://127.0.0.1:{args.port}", "--label", which]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for line in lines:
        log.write(json.dumps(line) + "\n")
    log.flush()
    if done.returncode != 0 or not lines:
        raise SystemExit(f"loadgen failed against {which}: {done.stdout}{done.stderr}")
    return lines


def median(values):
    return statistics.median(values) if values else float("nan")


def row(name, found):
    ours, theirs = median(found.get("atoll", [])), median(found.get("anvil", []))
    ratio = ours / theirs if theirs else float("nan")
    print(f"{name:45} {ours:12,.0f} {theirs:12,.0f} {ratio:8.2f}", flush=True)


def writes(args, log, kind):
    for name, options in WRITES.items():
        if args.match not in name:
            continue
        found = {}
        for _ in range(args.rounds):
            for which in args.nodes.split(","):
                with Node(args, which, mining=True):
                    line = loadgen(args, log, which, kind, "--n", str(args.n), *options)[0]
                if not line.get("complete", True):
                    print(f"INCOMPLETE: {which}: {line}")
                found.setdefault(which, []).append(line["e2e_tps"])
        row(f"{kind}, {name}", found)


def reads(args, log):
    found = {}
    options = ["--range", args.range] + (["--methods", args.methods] if args.methods else [])
    for _ in range(args.rounds):
        for which in args.nodes.split(","):
            # A block a second by the rules of proof of work: a chain of 1,000 takes a quarter of an hour.
            with Node(args, which, mining=which == "atoll"):
                for line in loadgen(args, log, which, "rpc", "--secs", str(args.secs), *options):
                    found.setdefault(line["method"], {}).setdefault(which, []).append(line["req_s"])
    for method, both in found.items():
        row(method, both)


def main():
    args = arguments()
    with open(args.log, "a", encoding="utf-8") as log:
        print(f"{'':45} {'atoll':>12} {'anvil':>12} {'ratio':>8}")
        for kind in args.only.split(","):
            reads(args, log) if kind == "rpc" else writes(args, log, kind)


if __name__ == "__main__":
    main()
