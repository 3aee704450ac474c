// What every suite uses: the browser, pages whose complaints are kept, checks, and requests to the test.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import readline from "node:readline";
import { chromium } from "playwright-core";

export const [suite, url] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const artifacts = process.env.ARTIFACTS;
export const patience = 60000; // Milliseconds that a check waits for the page.
export const quick = 15000; // Milliseconds in which a busy page still answers.

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

export async function ask(what) {
  say({ ask: what });
  await answers.next();
}

export function assert(condition, message) {
  if (!condition) throw new Error(message);
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
const faults = []; // Everything a page complained about, for the last check.
const outside = []; // Requests to elsewhere.
let troubled = false;

/** While the server is down, failing requests are no fault. */
export function expectTrouble(on) {
  troubled = on;
}

export async function open(hash = "", options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 960 }, ...options });
  context.setDefaultTimeout(patience);
  await context.route("**/*", (route) => {
    const { hostname, protocol } = new URL(route.request().url());
    const local = ["127.0.0.1", "localhost", "[::1]", new URL(url).hostname].includes(hostname) || protocol === "data:";
    if (local) return route.continue();
    outside.push(route.request().url());
    return route.abort();
  });
  const page = await context.newPage();
  page.on("pageerror", (error) => faults.push(`page error: ${error.stack}`));
  page.on("dialog", (dialog) => {
    faults.push(`a script dialog opened: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("console", (message) => {
    if (message.type() !== "error" && message.type() !== "warning") return;
    if (troubled && /50[03] \(|ERR_CONNECTION|WebSocket|ERR_EMPTY|Failed to fetch|ERR_SOCKET|ERR_INCOMPLETE/.test(message.text())) return;
    if (["access", "roles"].includes(suite) && /401|WebSocket/.test(message.text())) return; // Before signing in everything is refused.
    if (suite === "demo" && /409/.test(message.text())) return; // An incident may end while somebody presses.
    faults.push(`console ${message.type()}: ${message.text()}`);
  });
  await page.goto(`${url}/${hash}`);
  return page;
}

/** Waits until what moves in and fades has arrived: what is seen in between is nobody's choice. */
async function settled(page) {
  await page.evaluate(() => {
    const drawn = async () => {
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      const ending = document.getAnimations().filter((a) => a.effect.getComputedTiming().endTime < Infinity);
      await Promise.allSettled(ending.map((a) => a.finished));
    };
    // The longest takes 2.4 s. One that begins anew or is not drawn any more may never say that it has ended.
    return Promise.race([drawn(), new Promise((done) => setTimeout(done, 4000))]);
  });
}

export async function shot(page, name) {
  if (!artifacts) return;
  await settled(page);
  await page.screenshot({ path: join(artifacts, `page-${name}.png`) });
}

export async function check(name, run) {
  try {
    await run();
    say({ check: name, error: "" });
  } catch (error) {
    say({ check: name, error: error.stack ?? String(error) });
  }
}

/**
 * Closes the details of an anomaly or incident, and waits until the page has done what follows. A browser tells a dialog's
 * end a moment after it has hidden it; the page then empties the dialog and restores the address, in one go.
 */
export async function closeDetails(page, dialog) {
  await page.keyboard.press("Escape");
  await page.waitForFunction((d) => !document.querySelector(d).open && document.querySelector(d).childElementCount === 0, dialog);
}

/** No violation that axe-core calls serious or critical. */
export async function accessible(page) {
  await settled(page);
  // The policy of the page forbids inline scripts; an evaluated one is the browser's own.
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const bad = found.violations.filter((v) => v.impact === "serious" || v.impact === "critical");
  assert(bad.length === 0, bad.map((v) => `${v.id} (${v.impact}): ${v.help}: ${v.nodes.map((n) => n.html.slice(0, 160)).slice(0, 3).join(" | ")}`).join("\n"));
}

export async function noSidewaysScroll(page) {
  await settled(page);
  const [scroll, client] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert(scroll <= client, `the page is ${scroll} px wide in a window of ${client} px`);
}

/** Draws are checked by their pixels: a chart with a line has more than its background. */
export const painted = (page, within = "#charts") =>
  page.evaluate(
    (box) => [...document.querySelectorAll(`${box} .plot canvas`)].map((c) => {
      const { data } = c.getContext("2d").getImageData(0, 0, c.width, c.height);
      const colours = new Set();
      for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200) colours.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
      return colours.size;
    }),
    within,
  );

/** The last checks of every suite. */
export async function finish() {
  await check("no errors in the console", () => assert(faults.length === 0, faults.join("\n")));
  await check("no request leaves this machine", () => assert(outside.length === 0, outside.join("\n")));
  await browser.close();
}
