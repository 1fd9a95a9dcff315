// What the browser tests share: a browser, people who sit before it, the workspace's own doors, and a judge.
//
// Each script is run as `node SCRIPT.mjs http://127.0.0.1:PORT` against a fresh workspace (tests/it/browser.rs).
// FIREBELL_PEERS: where playwright-core and axe-core are installed. CHROMIUM: the browser. FIREBELL_SHOTS: where
// screenshots go; they are looked at by people and compared with nothing. FIREBELL_WEB: a folder whose files stand in
// for the page's own, to try a change of the page without building anything.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const installed = process.env.FIREBELL_PEERS ?? path.resolve("target/peers/node");
const require = createRequire(path.join(installed, "node_modules", "peer.js"));
const { chromium } = require("playwright-core");
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export { assert };
export const origin = process.argv[2].replace(/\/$/, "");
export const shots = process.env.FIREBELL_SHOTS ?? path.resolve("target/browser");

/** The longest that anything may take before it counts as never. */
const PATIENCE = 15_000;

let browser;
const faults = [];

/** Runs a test: opens the browser, closes it, and fails if the page complained of anything meanwhile. */
export async function test(body) {
  mkdirSync(shots, { recursive: true });
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox"] });
  try {
    await body();
    assert.deepEqual(faults, [], "the page complained");
  } finally {
    await browser.close();
  }
}

/** Somebody who opens the page. `place`: a channel's name or id, `home`, `dm`; nothing: the list of channels. */
export async function person(name, { place = "general", width = 1280, height = 800, scheme = "light", touch = false } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, hasTouch: touch, acceptDownloads: true, locale: "en-GB" });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  page.on("pageerror", (error) => faults.push(`${name}: ${error.stack}`));
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && faults.push(`${name}: ${message.text()}`));
  page.on("request", (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol.startsWith("http") && host !== new URL(origin).host) faults.push(`${name}: asked ${request.url()}`);
  });
  if (process.env.FIREBELL_WEB) await page.route("**/page/*.*", standIn);
  await page.goto(`${origin}/#${name}${place ? `/${place}` : ""}`);
  await page.waitForSelector(`html[data-ready="${name}"]`);
  return page;
}

const KINDS = { ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

function standIn(route) {
  const file = path.join(process.env.FIREBELL_WEB, path.basename(new URL(route.request().url()).pathname));
  const contentType = KINDS[path.extname(file)];
  return contentType && existsSync(file) ? route.fulfill({ body: readFileSync(file), contentType }) : route.continue();
}

/** Complaints of the page that a test expects: forgotten. */
export const forgive = () => faults.splice(0);

export const field = (page) => page.locator(".foot .composer-field").first();

/** Types a line and sends it. */
export async function types(page, line) {
  await field(page).fill(line);
  await field(page).press("Enter");
}

/** The newest message (or line) that contains the words. */
export const message = (page, words) => page.locator("#main .message", { hasText: words }).last();

export const sees = (page, words) => message(page, words).waitFor();

/** Opens a channel from the sidebar. */
export async function opens(page, name) {
  await page.locator(`#channels [data-name="${name}"]`).click();
  await page.locator(`#main .head-name`, { hasText: name }).waitFor();
}

export async function shot(page, name) {
  await page.screenshot({ path: path.join(shots, `${name}.png`) });
}

/** No fault at all, however minor, by axe-core, which knows WCAG 2.1 A and AA and its own best practices. */
export async function isAccessible(page, what) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const lines = violations.map(({ id, impact, help, nodes }) => `${impact} ${id}: ${help}\n    ${nodes.map((node) => `${node.target.join(" ")} ${node.any?.[0]?.message ?? ""}`).join("\n    ")}`);
  assert.equal(violations.length, 0, `${what}: axe-core finds ${violations.length} faults:\n  ${lines.join("\n  ")}`);
}

/** Waits until it is so. */
export async function until(what, holds) {
  const ends = Date.now() + PATIENCE;
  while (!(await holds())) {
    assert.ok(Date.now() < ends, `never: ${what}`);
    await new Promise((again) => setTimeout(again, 20));
  }
}

async function json(address, body, headers = {}) {
  const answer = await fetch(origin + address, { method: "POST", headers: { "content-type": "application/json; charset=utf-8", ...headers }, body: JSON.stringify(body) });
  return answer.json();
}

/** The Web API, as the app would call it. */
export async function call(method, body) {
  const answer = await json(`/api/${method}`, body, { authorization: "Bearer xoxb-simulator" });
  assert.ok(answer.ok, `${method}: ${JSON.stringify(answer)}`);
  return answer;
}

/** The workspace's own endpoints. */
export const simulate = (deed, body) => json(`/simulator/${deed}`, body);
