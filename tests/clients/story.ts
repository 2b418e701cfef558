// Plays the README's story with the generated TypeScript types: story.js COMMAND QUERY.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { argv } from "node:process";
import createClient from "openapi-fetch";
import type { components, paths as CommandPaths } from "./command.js";
import type { paths as QueryPaths } from "./query.js";

type StockLine = components["schemas"]["StockLine"];

const [commandUrl, queryUrl] = argv.slice(2);
const command = createClient<CommandPaths>({ baseUrl: commandUrl });
const query = createClient<QueryPaths>({ baseUrl: queryUrl });

const sku = "85123A";
const line = (quantity: number): StockLine => ({ sku, location: "MAIN", quantity });

/** What an answer has, which must not be a problem. */
function done<T, E>(answer: { data?: T; error?: E }): T {
  assert.equal(answer.error, undefined, JSON.stringify(answer.error));
  assert(answer.data !== undefined);
  return answer.data;
}

done(await command.PUT("/v1/locations/{code}", { params: { path: { code: "MAIN" } }, body: {} }));
const item = { params: { path: { sku } }, body: { name: "T-light holder" } };
done(await command.PUT("/v1/items/{sku}", item));

// What the README's demo leaves.
done(await command.POST("/v1/receipts", { body: { lines: [line(100)] } }));

// Receive ten, then sell six. Repeat the last command: one effect, the same answer.
const received = done(await command.POST("/v1/receipts", { body: { lines: [line(10)] } }));
const sell = () =>
  command.POST("/v1/issues", {
    params: { header: { "Idempotency-Key": key } },
    body: { lines: [line(6)], purpose: "sale" },
  });
const key = `order-${randomUUID()}`;
const sold = done(await sell());
const again = await sell();
assert.deepEqual(done(again), sold);
assert.equal(again.response.headers.get("Idempotency-Replayed"), "true");

// Read your own write, and how it came about.
const place = { sku, location: "MAIN" };
const level = done(
  await query.GET("/v1/stock/{sku}/{location}", {
    params: { path: place, query: { min_position: sold.position } },
  }),
);
assert.equal(level.on_hand, received.figures[0]!.on_hand - 6);
const stock = done(await query.GET("/v1/stock/{sku}", { params: { path: { sku } } }));
assert(stock.locations.some((place) => place.location === "MAIN"));
const explained = done(
  await query.GET("/v1/explain/{sku}/{location}", { params: { path: place } }),
);
assert.equal(explained.figures.on_hand, level.on_hand);
const movements = done(
  await query.GET("/v1/movements", { params: { query: { sku, limit: 3 } } }),
);
assert.equal(movements.items[0]?.type, "StockIssued");
assert.equal(movements.items[0]?.delta.on_hand, -6);
const pairs = [place, { sku: "NONE" }];
const asked = done(await query.POST("/v1/availability", { body: { pairs } }));
assert.equal(asked.items[0]?.available, level.available);
assert.equal(asked.items[1]?.error, "unknown_sku");

// Sell more than there is: refused, with the numbers.
const refused = await command.POST("/v1/issues", { body: { lines: [line(1_000_000)] } });
assert.equal(refused.response.status, 409);
assert.equal(refused.error?.type, "/problems/insufficient_stock");

// Hold two for a cart for ten minutes, then confirm the order, without a body.
const hold = { owner: "cart-7", lines: [line(2)], ttl_seconds: 600 };
const held = done(await command.POST("/v1/reservations", { body: hold }));
const id = held.reservation!.id;
const confirmed = done(
  await command.POST("/v1/reservations/{id}/confirm", { params: { path: { id } } }),
);
const known = done(
  await query.GET("/v1/reservations/{id}", {
    params: { path: { id }, query: { min_position: confirmed.position } },
  }),
);
assert.equal(known.status, "confirmed");

// Order two. Nobody pays here, so the order is cancelled, and what it holds is released.
const order: components["schemas"]["OrderRequest"] = {
  owner: "customer-2",
  lines: [line(2)],
  payment: { method: "m-1" },
  deadline_seconds: 600,
  policy: "wait",
  wait_seconds: 60,
};
const placed = done(await command.POST("/v1/orders", { body: order }));
assert.equal(placed.order?.status, "placed");
const path = { id: placed.order!.id };
const ordered = done(
  await query.GET("/v1/orders/{id}", { params: { path, query: { min_position: placed.position } } }),
);
assert.equal(ordered.steps[0]?.name, "reserve");
const cancelled = done(await command.POST("/v1/orders/{id}/cancel", { params: { path } }));
assert.equal(cancelled.order?.status, "cancelled");

// What would undoing everything under one correlation id do?
const undo = { correlation_id: received.correlation_id, reason: "booked_twice", dry_run: true };
const dry = done(await command.POST("/v1/reversals", { body: undo }));
assert("figures" in dry);
assert.equal(dry.figures[0]?.on_hand, level.on_hand - 10);

// The events themselves.
const lane = Number(received.position!.split(":")[0]);
const lines = done(
  await command.GET("/v1/lanes/{lane}/events", {
    params: { path: { lane }, query: { limit: 10_000 } },
    parseAs: "text",
  }),
);
const events: components["schemas"]["Event"][] = lines
  .trimEnd()
  .split("\n")
  .map((text) => JSON.parse(text));
assert(events.some((event) => event.id === received.events[0]?.id));
console.log("the story was played in TypeScript");
