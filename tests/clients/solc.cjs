#!/usr/bin/env node
// The Solidity compiler from npm behind the command line that Foundry expects of a native solc.
const solc = require("solc");
const version = solc.version();
if (process.argv.includes("--version")) {
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${version.replace(".Emscripten.clang", ".Linux.g++")}`);
} else {
  const input = require("fs").readFileSync(0, "utf8");
  process.stdout.write(solc.compile(input));
}
