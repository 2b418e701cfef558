// The console in a real browser, on a stack with the demo's data: CONSOLE, COMMAND and QUERY are its addresses,
// CHROMIUM the browser, SHOTS the folder for pictures.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";

const { CONSOLE, COMMAND, QUERY, SHOTS = "shots", CHROMIUM = "/usr/bin/chromium" } = process.env;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SKU = "85123A";
const WIDTHS = [320, 800, 1440];
const SCHEMES = ["light", "dark"];

let browser;
const made = {};

async function api(base, method, path, body) {
  const answer = await fetch(base + path, {
    method,
    headers: { "content-type": "application/json", "actor": "browser-test" },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text.startsWith("{") ? JSON.parse(text) : text;
}
const command = (method, path, body) => api(COMMAND, method, path, body);
const query = (path) => api(QUERY, "GET", path);

async function until(what, ask) {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const seen = await ask();
    if (seen) return seen;
    assert.ok(Date.now() < deadline, `${what}: not in time`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

// A page that fails the test when the browser reports anything.
async function open(options = {}) {
  const context = await browser.newContext({ locale: "en-GB", timezoneId: "Asia/Seoul", ...options });
  const page = await context.newPage();
  page.reports = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) page.reports.push(message.text());
  });
  page.on("pageerror", (error) => page.reports.push(error.message));
  page.on("request", (request) => {
    if (!request.url().startsWith(CONSOLE)) page.reports.push(`asks ${request.url()}`);
  });
  return page;
}

async function close(page) {
  assert.deepEqual(page.reports, []);
  await page.context().close();
}

const figures = (page, part) =>
  page.$$eval(`${part} tbody tr`, (rows) => rows.map((row) => ({
    location: row.querySelector("th").innerText.trim(),
    numbers: [...row.querySelectorAll("td data")].map((data) => Number(data.value)),
  })));

before(async () => {
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  mkdirSync(SHOTS, { recursive: true });
  const line = (quantity, more) => ({ lines: [{ sku: SKU, ...more, quantity }] });
  await command("PUT", "/v1/locations/SHOP", { name: "Shop in the high street" });
  await command("PUT", `/v1/items/${SKU}`, { reorder_point: 500 });
  await command("POST", "/v1/moves", line(20, { from: "MAIN", to: "SHOP" }));
  const late = { ...line(7, { location: "MAIN" }), reason: "found", occurred_at: "2026-01-05T05:00:00Z" };
  await command("POST", "/v1/receipts", late);
  const held = await command("POST", "/v1/reservations", { owner: "cart-7", ttl_seconds: 86_400, ...line(2, { location: "MAIN" }) });
  made.reservation = held.reservation.id;
  const sent = await command("POST", "/v1/transfers", { ...line(5, { from: "MAIN", to: "SHOP" }), reason: "restock" });
  made.transfer = sent.transfer.id;
  const ordered = await command("POST", "/v1/orders", { owner: "customer-1", payment: {}, deadline_seconds: 600, ...line(2, { location: "MAIN" }) });
  made.order = ordered.order.id;
  await command("PUT", "/v1/items/COURSE", { name: "Baking bread" });
  for (const who of ["ann", "ben"]) {
    await command("POST", "/v1/reservations", {
      owner: who, policy: "wait", wait_seconds: 604_800, ttl_seconds: 86_400,
      lines: [{ sku: "COURSE", location: "MAIN", quantity: 1 }],
    });
  }
  await until("the views follow", async () => (await query("/v1/overview")).lag === 0 && (await query("/v1/waitlist")).items.length >= 2);
});

after(() => browser?.close());

const pages = () => ({
  overview: "/", items: "/items", low: "/items?state=low", item: `/items/${SKU}`,
  flow: `/items/${SKU}/flow?to=2010-12-02`, then: `/items/${SKU}?at=2026-01-06`, stream: `/streams/stock/${SKU}/MAIN?version=4`,
  movements: "/movements?actor=browser-test", orders: "/orders", order: `/orders/${made.order}`, reservations: "/reservations",
  reservation: `/reservations/${made.reservation}`, waitlist: "/waitlist", transfers: "/transfers",
  transfer: `/transfers/${made.transfer}`, alerts: "/alerts", pipeline: "/pipeline", lane: "/pipeline/3",
  problems: `/problems?sku=${SKU}`, operations: "/operations", skip: "/operations/skip?projection=stock&event=3-1",
  rebuild: "/operations/rebuild?projection=stock", record: "/record/move", found: "/find?q=851", nothing: "/nowhere",
});

async function everyPageFits(width, scheme, locale) {
  const page = await open({ viewport: { width, height: 900 }, colorScheme: scheme, locale });
  const language = locale.slice(0, 2);
  for (const [name, path] of Object.entries(pages())) {
    const answer = await page.goto(CONSOLE + path);
    assert.equal(answer.status(), name === "nothing" ? 404 : 200, path);
    assert.equal(await page.getAttribute("html", "lang"), language, path);
    const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(tooWide <= 0, `${path} is ${tooWide} pixels too wide at ${width}`);
    await page.screenshot({ path: `${SHOTS}/${name}-${width}-${scheme}-${language}.png`, fullPage: true });
    await page.evaluate(AXE);
    const found = await page.evaluate(async () => (await axe.run()).violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`));
    assert.deepEqual(found, [], path);
  }
  // The browser reports that nothing is at an address.
  page.reports = page.reports.filter((text) => !text.includes("404"));
  await close(page);
}

for (const scheme of SCHEMES) {
  for (const width of WIDTHS) {
    test(`every page fits ${width} pixels, ${scheme}, and axe finds nothing`, () => everyPageFits(width, scheme, "en-GB"));
  }
}

test("every page is Korean for a Korean reader, and fits 320 pixels", () => everyPageFits(320, "light", "ko-KR"));

test("without JavaScript everything can be read, and time travelled by links", async () => {
  const page = await open({ javaScriptEnabled: false });
  await page.goto(`${CONSOLE}/items/${SKU}`);
  assert.ok(!(await page.isVisible("#slider")), "a slider would do nothing");
  await page.click("text=← Event before");
  assert.match(page.url(), /at=/);
  await page.waitForSelector("#then table");
  await page.fill("#at", "2026-01-06 00:00");
  await page.click("text=Go there");
  assert.match(await page.innerText("#then"), /not known then|nothing was known of the item then/);
  await close(page);
});

test("the slider shows what the API says of each position", async () => {
  const page = await open();
  await page.goto(`${CONSOLE}/items/${SKU}`);
  const positions = (await page.getAttribute("#slider", "data-positions")).split(" ");
  assert.ok(positions.length > 10);
  for (const index of [0, Math.floor(positions.length / 2), positions.length - 1]) {
    const position = positions[index];
    await page.locator("#slider").evaluate((slider, value) => {
      slider.value = value;
      slider.dispatchEvent(new Event("input", { bubbles: true }));
    }, index);
    await page.waitForFunction((text) => document.querySelector("#then")?.innerText.includes(text), position);
    const then = await query(`/v1/stock/${SKU}?at_position=${position}`);
    for (const row of await figures(page, "#then table:first-of-type")) {
      const level = then.locations.find((one) => one.location === row.location);
      const names = ["on_hand", "reserved", "allocated", "available", "incoming", "waiting"];
      assert.deepEqual(row.numbers.slice(0, 6), names.map((name) => level?.[name] ?? 0), `${position} ${row.location}`);
    }
  }
  await page.focus("#slider");
  const at = page.url();
  await page.keyboard.press("ArrowLeft");
  await page.waitForFunction((before) => location.href !== before, at);
  await close(page);
});

test("a page shows a change within a second of the command, without loading again", async () => {
  const page = await open();
  await page.goto(`${CONSOLE}/items/${SKU}`);
  await page.waitForFunction(() => document.getElementById("live")?.textContent === "Live");
  const before = (await figures(page, "#now"))[0].numbers[0];
  await page.evaluate(() => { window.sameDocument = true; });
  const started = Date.now();
  await command("POST", "/v1/receipts", { lines: [{ sku: SKU, location: "MAIN", quantity: 3 }] });
  await page.waitForFunction((value) => document.querySelector("#now td data").value === String(value), before + 3);
  const took = Date.now() - started;
  assert.ok(took < 1_000, `it took ${took} ms`);
  assert.ok(await page.evaluate(() => window.sameDocument));
  await close(page);
});

test("numbers and times are the reader's, and the exact moment is a hover away", async () => {
  const page = await open({ locale: "de-DE" });
  await page.goto(`${CONSOLE}/`);
  assert.match(await page.innerText(".tiles .figure"), /^1\.\d{3}$/);
  const time = page.locator("#latest time").first();
  assert.match(await time.getAttribute("title"), /Z$/);
  assert.match(await time.innerText(), /^\d{2}\.\d{2}\.\d{4}/);
  await close(page);
});

test("the keyboard reaches the search and steps through a stream", async () => {
  const page = await open();
  await page.goto(`${CONSOLE}/`);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("/");
  await page.keyboard.type(`stock/${SKU}/MAIN`);
  await page.keyboard.press("Enter");
  await page.waitForURL(/streams/);
  await page.keyboard.press("ArrowLeft");
  await page.waitForURL(/version=/);
  await close(page);
});

test("a form shows the API's problem at its field, and is then taken", async () => {
  const page = await open();
  await page.goto(`${CONSOLE}/record/issue?sku=${SKU}`);
  await page.selectOption("#location", "MAIN");
  await page.fill("#quantity", "99999999");
  await page.click("form.form button");
  assert.match(await page.innerText("#quantity-fault"), /available there/);
  await page.fill("#quantity", "1");
  await page.click("form.form button");
  await page.waitForURL(/items/);
  assert.match(await page.innerText("main"), /Recorded at position/);
  page.reports = page.reports.filter((text) => !text.includes("409"));
  await close(page);
});

test("a window is reversed by hand, after the page showed each stock before and after", async () => {
  const page = await open();
  const from = new Date().toISOString();
  const lines = ["22423", "85099B"].map((sku) => ({ sku, location: "MAIN", quantity: 1_000 }));
  const wrong = await command("POST", "/v1/receipts", { lines, reason: "wrong_import" });
  await until("the views follow", async () => (await query("/v1/movements?reason=wrong_import")).items.length >= 2);
  const before = await query("/v1/stock/22423/MAIN");
  await page.goto(`${CONSOLE}/operations`);
  await page.fill("#from", wrong.recorded_at);
  await page.fill("#to", "2999-01-01");
  await page.fill("#actor", "browser-test");
  await page.click("text=Show what would happen");
  const rows = await page.$$eval("#stocks tbody tr", (all) => all.map((row) => row.innerText));
  assert.equal(rows.length, 2, `${from}: ${rows}`);
  const numbers = await page.$$eval("#stocks tbody tr:first-of-type data", (all) => all.map((data) => Number(data.value)));
  const { on_hand, available } = before;
  assert.deepEqual(numbers, [on_hand, on_hand - 1_000, -1_000, available, available - 1_000]);
  await page.screenshot({ path: `${SHOTS}/reversal-shown.png`, fullPage: true });
  await page.click("text=Reverse it now");
  await page.waitForURL(/reversals/);
  await page.waitForFunction(() => document.querySelector("main")?.innerText.includes("done"));
  await page.screenshot({ path: `${SHOTS}/reversal-done.png`, fullPage: true });
  await until("it is undone", async () => (await query("/v1/stock/22423/MAIN")).on_hand === before.on_hand - 1_000);
  await close(page);
});
