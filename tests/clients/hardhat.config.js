// Hardhat's project over contracts/. Hardhat cannot download solc here: the compiler is npm's.
import { createRequire } from "node:module";
import hardhatEthers from "@nomicfoundation/hardhat-ethers";
import hardhatIgnition from "@nomicfoundation/hardhat-ignition-ethers";
import { defineConfig } from "hardhat/config";

const require = createRequire(import.meta.url);

// hardhat.mjs gives each run a folder of its own.
const build = process.env.HARDHAT_BUILD ?? "build/hardhat";

export default defineConfig({
  plugins: [hardhatEthers, hardhatIgnition],
  solidity: {
    version: require("solc/package.json").version,
    path: require.resolve("solc/soljson.js"),
    settings: { evmVersion: "osaka", optimizer: { enabled: true, runs: 200 } },
  },
  paths: {
    sources: "contracts",
    artifacts: `${build}/artifacts`,
    cache: `${build}/cache`,
    tests: "hardhat/test",
    ignition: process.env.HARDHAT_BUILD ? `${build}/ignition` : "hardhat/ignition",
  },
  networks: {
    atoll: { type: "http", url: process.env.RPC_URL ?? "http://127.0.0.1:8545", accounts: process.env.KEY ? [process.env.KEY] : "remote" },
  },
});
