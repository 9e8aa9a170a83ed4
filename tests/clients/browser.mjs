// A browser looks at the explorer and the stats page: they update without a reload, load nothing from elsewhere,
// log no errors; a killed node turns grey and comes back. node browser.mjs RPC EXPLORER STATS PID
import { chromium } from "playwright-core";
import { holds } from "./check.mjs";

const [rpc, explorer, stats, ...pids] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const check = (condition, what) => holds(what, condition);
const problems = [];
async function open(url, options = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && problems.push(`${url}: ${message.text()}`));
  page.on("pageerror", (error) => problems.push(`${url}: ${error}`));
  page.on("request", (request) => new URL(request.url()).host !== new URL(url).host && problems.push(`${url} asks ${request.url()}`));
  await page.goto(url);
  return page;
}
const call = async (method, params = []) => {
  const response = await fetch(rpc, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }) });
  return (await response.json()).result;
};

const home = await open(explorer);
const height = Number(await call("eth_blockNumber"));
await home.waitForFunction((number) => document.body.innerText.replace(/[,\s\u202f\u00a0]/g, "").includes(String(number)), height + 2, { timeout: 60000 });
check(true, "the explorer's home shows new blocks without a reload");

const page = await open(stats);
await page.waitForFunction(() => ["miner-1", "miner-2", "client-1"].every((name) => document.body.innerText.includes(name)), null, { timeout: 30000 });
const liveNodes = await page.evaluate(async () => (await (await fetch("/v1/status")).json()).nodes.filter((node) => node.active ?? node.online ?? node.live).length);
check(liveNodes === 3, `three live nodes (${liveNodes})`);

// "3 / 3": live nodes of all that were seen. All that is shown is kept, so that a moment is not missed.
await page.evaluate(() => {
  window.shown = [];
  const look = () => window.shown.push(...(document.body.innerText.replace(/\s/g, "").match(/[0-3]\/3/g) ?? []));
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
  look();
});
const live = async (count) => {
  await page.waitForFunction((text) => window.shown.includes(text), `${count}/3`, { timeout: 60000 });
  await page.evaluate((text) => window.shown.splice(0, window.shown.indexOf(text) + 1), `${count}/3`);
};
await live(3);
for (const pid of pids) process.kill(Number(pid), "SIGKILL");
await live(2);
check(true, "a node that was killed turns grey without a reload");
await live(3);
check(true, "and comes back without a reload");

for (const [name, url] of [["explorer", explorer], ["stats", stats]]) {
  for (const [look, options] of [["dark", { colorScheme: "dark" }], ["phone", { viewport: { width: 375, height: 800 } }]]) {
    const view = await open(url, options);
    await view.waitForTimeout(500);
    const overflow = await view.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    check(overflow <= 1, `${name}, ${look}: nothing is wider than the screen`);
    check(await view.evaluate(() => document.querySelectorAll("h1").length === 1 && !!document.querySelector("main") && !!document.documentElement.lang), `${name}, ${look}: one h1, a main landmark, a language`);
    if (process.env.ATOLL_SCREENSHOTS) await view.screenshot({ path: `${process.env.ATOLL_SCREENSHOTS}/${name}-${look}.png` });
  }
}
check(problems.length === 0, `no errors and no foreign requests: ${problems.join("; ")}`);
await browser.close();
console.log(JSON.stringify({ liveNodes }));
