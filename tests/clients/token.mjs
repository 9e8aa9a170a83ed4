// Compiles Token.sol once, for every client.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const solc = createRequire(import.meta.url)("solc");

export function compileToken() {
  const content = readFileSync(new URL("./contracts/Token.sol", import.meta.url), "utf8");
  const input = {
    language: "Solidity",
    sources: { "Token.sol": { content } },
    settings: { evmVersion: "osaka", outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } } },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const errors = (output.errors ?? []).filter((error) => error.severity === "error");
  if (errors.length) throw new Error(errors.map((error) => error.formattedMessage).join("\n"));
  const token = output.contracts["Token.sol"].Token;
  return { abi: token.abi, bytecode: `0x${token.evm.bytecode.object}` };
}

export function check(condition, what) {
  if (!condition) throw new Error(`failed: ${what}`);
  console.log(`ok: ${what}`);
}
