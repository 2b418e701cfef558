// Signing in to the console in a real browser: at an issuer, and with a key. CONSOLE, COMMAND and QUERY are the addresses of a
// stack with sign-in, KEY_FILE its key, ISSUER the issuer's address, CHROMIUM the browser, SHOTS the folder for pictures.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";

const { CONSOLE, COMMAND, QUERY, ISSUER, KEY_FILE, SHOTS = "shots", CHROMIUM = "/usr/bin/chromium" } = process.env;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const KEY = readFileSync(KEY_FILE, "utf8").trim();
const COOKIE = "__Host-stockbook";

let browser;

async function command(method, path, body) {
  const headers = { "content-type": "application/json", authorization: `Bearer ${KEY}` };
  const answer = await fetch(COMMAND + path, { method, headers, body: JSON.stringify(body) });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return JSON.parse(text);
}

async function open(options = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  return context.newPage();
}

const receipt = (quantity) => ({ lines: [{ sku: "A", location: "MAIN", quantity }] });
const session = async (page) => (await page.context().cookies(CONSOLE)).find(({ name }) => name === COOKIE);

async function signInAtIssuer(page, name) {
  await page.click("text=Sign in with your organisation's account");
  await page.waitForURL((url) => url.origin === ISSUER);
  await page.fill("input[name=login]", name);
  await page.fill("input[name=password]", "any");
  await page.click("button[type=submit]");
  await page.waitForSelector("text=Authorize");
  await page.click("button[type=submit]");
  await page.waitForURL((url) => url.origin === CONSOLE);
}

before(async () => {
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  mkdirSync(SHOTS, { recursive: true });
  await command("PUT", "/v1/locations/MAIN", {});
  await command("PUT", "/v1/items/A", {});
  const { position } = await command("POST", "/v1/receipts", receipt(5));
  const path = `/v1/stock/A?min_position=${position}&wait_ms=30000`;
  const answer = await fetch(QUERY + path, { headers: { authorization: `Bearer ${KEY}` } });
  assert.equal(answer.status, 200, await answer.text());
});

after(() => browser?.close());

test("a visitor signs in at the issuer, works under that name, and signs out", async () => {
  const page = await open();
  await page.goto(`${CONSOLE}/items/A?location=MAIN`);
  assert.match(page.url(), /\/sign-in\?to=/);
  await signInAtIssuer(page, "ann");
  assert.equal(page.url(), `${CONSOLE}/items/A?location=MAIN`);
  assert.match(await page.innerText("header"), /Signed in: ann/);
  const { httpOnly, secure, sameSite, expires } = await session(page);
  assert.deepEqual({ httpOnly, secure, sameSite, expires }, { httpOnly: true, secure: true, sameSite: "Lax", expires: -1 });
  assert.equal(await page.evaluate(() => document.cookie), "");

  await page.waitForFunction(() => document.getElementById("live")?.textContent === "Live");
  const before = Number(await page.getAttribute("#now td data", "value"));
  await command("POST", "/v1/receipts", receipt(3));
  await page.waitForFunction((value) => document.querySelector("#now td data").value === String(value), before + 3);

  await page.goto(`${CONSOLE}/record/receive?sku=A`);
  await page.selectOption("#location", "MAIN");
  await page.fill("#quantity", "2");
  await page.click("form.form button");
  await page.waitForURL(/items/);
  assert.match(await page.innerText("#movements tbody tr:first-of-type"), /by ann/);
  // The issuer gives this scope to nobody.
  await page.goto(`${CONSOLE}/operations/rebuild?projection=stock`);
  await page.click("form.form button");
  assert.match(await page.innerText("main"), /lacks the scope operate/);

  await page.click("text=Sign out");
  await page.waitForURL(/sign-in/);
  assert.equal(await session(page), undefined);
  await page.goto(`${CONSOLE}/items`);
  assert.match(page.url(), /sign-in/);
  await page.context().close();
});

test("a visitor who gives up at the issuer can begin again", async () => {
  const page = await open();
  await page.goto(`${CONSOLE}/items`);
  await page.click("text=Sign in with your organisation's account");
  await page.click("text=Cancel");
  await page.waitForURL((url) => url.origin === CONSOLE);
  assert.match(await page.innerText("main"), /did not sign you in: access_denied/);
  assert.equal(await session(page), undefined);
  await signInAtIssuer(page, "ben");
  assert.match(await page.innerText("header"), /Signed in: ben/);
  await page.context().close();
});

test("without JavaScript a key is enough, and a wrong one is refused", async () => {
  const page = await open({ javaScriptEnabled: false });
  await page.goto(`${CONSOLE}/items/A`);
  await page.fill("#key", KEY.slice(0, -1) + (KEY.endsWith("a") ? "b" : "a"));
  await page.click("main button");
  assert.match(await page.innerText("main"), /do not know this key/);
  await page.fill("#key", KEY);
  await page.click("main button");
  assert.equal(page.url(), `${CONSOLE}/items/A`);
  assert.ok(!(await page.content()).includes(KEY.slice(17)), "the key is not shown again");
  await page.context().close();
});

test("pages for signing in and of who signed in fit and axe finds nothing", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const page = await open({ colorScheme });
    await page.goto(`${CONSOLE}/items`);
    const look = async (name) => {
      for (const width of [320, 1440]) {
        await page.setViewportSize({ width, height: 900 });
        const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(tooWide <= 0, `${name} is ${tooWide} pixels too wide at ${width}`);
        await page.screenshot({ path: `${SHOTS}/${name}-${width}-${colorScheme}.png`, fullPage: true });
      }
      await page.evaluate(AXE);
      const found = await page.evaluate(async () => (await axe.run()).violations.map(
        ({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`));
      assert.deepEqual(found, [], name);
    };
    await look("sign-in");
    await page.fill("#key", KEY);
    await page.click("main button");
    await page.waitForURL(/items$/);
    await look("signed-in");
    await page.context().close();
  }
});
