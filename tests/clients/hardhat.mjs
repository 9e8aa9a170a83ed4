// Hardhat deploys with Ignition, answers in its console and runs a script (hardhat/checks.js).
// node hardhat.mjs HTTP_URL WS_URL PRIVATE_KEY; without arguments it only compiles.
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { check, fails, holds } from "./check.mjs";

const [http, , key] = process.argv.slice(2);
const here = fileURLToPath(new URL(".", import.meta.url));
// Ignition keeps its deployments beside its modules; each run has its own.
const compiled = `${here}build/hardhat`;
mkdirSync(compiled, { recursive: true });
// Several runs at once would clean each other's artifacts away, and Ignition keeps its deployments beside its modules:
// each run has copies of its own. Without arguments the one is made that they are copied from.
const own = http ? mkdtempSync(`${compiled}-`) : compiled;
if (http) cpSync(compiled, own, { recursive: true });
cpSync(`${here}hardhat/ignition`, `${own}/ignition`, { recursive: true });
process.on("exit", () => http && rmSync(own, { recursive: true, force: true }));

/** Runs Hardhat with the Node.js of npm's package `node`, since it needs 22; its output. */
function hardhat(args, input = "", show = false) {
  const env = { ...process.env, RPC_URL: http ?? "http://127.0.0.1:8545", KEY: key ?? "", HARDHAT_BUILD: own, HARDHAT_DISABLE_TELEMETRY_PROMPT: "true", HARDHAT_IGNITION_CONFIRM_DEPLOYMENT: "true", NO_COLOR: "1", CI: "true" };
  const child = spawn(`${here}node_modules/.bin/node`, [`${here}node_modules/hardhat/dist/src/cli.js`, "--network", "atoll", ...args], { cwd: here, env });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data) => {
      output += data;
      if (show) process.stdout.write(data);
    });
  }
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.on("close", (code) => (code === 0 ? resolve(output) : reject(new Error(`hardhat ${args.join(" ")} ended with ${code}: ${output}`))));
  });
}

await hardhat(["build", "--quiet"]);
if (!http) process.exit(0);
const deployed = await hardhat(["ignition", "deploy", `${own}/ignition/modules/Everything.js`, "--deployment-id", "atoll"]);
holds("ignition deploys", deployed.includes("successfully deployed"), deployed);
const addresses = JSON.parse(readFileSync(`${own}/ignition/deployments/atoll/deployed_addresses.json`));
check("ignition writes down the addresses", Object.keys(addresses).length, 10);
const status = await hardhat(["ignition", "status", "atoll"]);
holds("ignition status", status.includes(addresses["Everything#Token"]), status);

// One line: the console does not wait for an `await` when its input is no terminal.
const asked = await hardhat(["console", "--no-compile"], `await hre.network.getOrCreate().then(async ({ ethers }) => { \
  const box = await ethers.getContractAt("BoxV2", "${addresses["Everything#Behind"]}"); \
  const reason = await box.set.staticCall(0n).catch((error) => error.message); \
  return ["value " + await box.value(), "version " + await box.version(), "number " + await ethers.provider.getBlockNumber(), reason]; })
`.replaceAll("\\\n", ""));
holds("console reads the upgraded proxy", /value 6.*version 2/s.test(asked), asked);
holds("console asks the node", /number [1-9]/.test(asked), asked);
holds("console shows a reason", asked.includes("a box is never empty"), asked);

await hardhat(["run", "--no-compile", "hardhat/checks.js"], "", true);
