// What goes wrong, said where it is seen.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask, launch, open, serve, settled } from "./support.js";

/// The browser tells of every error status in its console.
const FAILED = ["Failed to load resource"];
const KEY = "a-key-for-the-test";

let browser, server;
before(async () => {
  [browser, server] = await Promise.all([launch(), serve({ key: KEY })]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function unlock(page) {
  await page.getByRole("button", { name: "API key" }).click();
  await page.getByLabel("API key", { exact: true }).fill(KEY);
  await page.getByRole("button", { name: "Use it" }).click();
  await page.getByText("bertqa 0").waitFor();
}

test("a server with a key asks for it, and goes on with the right one", async () => {
  const { page, context, problems } = await open(browser, server.url, { expected: FAILED });
  await page.getByRole("button", { name: "ベル", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  assert.ok(await page.getByText("did not take that key").isHidden());
  await page.getByLabel("API key", { exact: true }).fill("wrong");
  await page.keyboard.press("Enter");
  await page.getByText("did not take that key").waitFor();
  await page.getByLabel("API key", { exact: true }).fill(KEY);
  await page.keyboard.press("Enter");
  await settled(page, 1);
  assert.equal(await page.locator(".turn .answer").textContent(), "エディンバラ");
  // It is asked for once.
  await page.reload();
  await page.getByRole("button", { name: "返品", exact: true }).click();
  await settled(page, 1);
  assert.equal(await page.locator(".turn .answer").textContent(), "14日以内");
  assert.deepEqual(problems, []);
  await context.close();
});

test("without a key the question says so", async () => {
  const { page, context } = await open(browser, server.url, { expected: FAILED });
  await page.getByRole("button", { name: "ベル", exact: true }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.locator(".turn.failed").waitFor();
  assert.match(await page.locator(".turn .facts").textContent(), /key/i);
  await context.close();
});

test("a question that can't be answered says why", async () => {
  const { page, context, problems } = await open(browser, server.url, { expected: FAILED });
  await unlock(page);
  await page.getByLabel("The text in which").fill("信濃川は日本で最も長い川である。".repeat(100));
  await ask(page, "日本で最も長い川は何ですか".repeat(100));
  await page.locator(".turn.failed").waitFor();
  assert.match(await page.locator(".turn .facts").textContent(), /leaves .* for the context/);
  assert.deepEqual(problems, []);
  await context.close();
});

test("nothing is sent without a context or a question", async () => {
  const { page, context, problems } = await open(browser, server.url, { expected: FAILED });
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  assert.match(await page.getByRole("alert").first().textContent(), /context/);
  await page.getByLabel("The text in which").fill("琵琶湖は滋賀県にある。");
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  assert.match(await page.getByRole("alert").first().textContent(), /Ask something/);
  assert.equal(await page.locator(".turn").count(), 0);
  assert.deepEqual(problems, []);
  await context.close();
});

test("an overloaded server is told apart, and asked again at a click", async () => {
  const { page, context, problems } = await open(browser, server.url, { expected: FAILED });
  await unlock(page);
  await page.route("**/inferences", (route) =>
    route.fulfill({ status: 429, headers: { "retry-after": "7" }, json: { error: "overloaded", kind: "overloaded" } }),
  );
  await page.getByRole("button", { name: "ベル", exact: true }).click();
  await page.locator(".turn.failed").waitFor();
  assert.match(await page.locator(".turn .facts").textContent(), /Try again in 7 s/);
  await page.unroute("**/inferences");
  await page.getByRole("button", { name: "Ask again" }).click();
  await settled(page, 1);
  assert.equal(await page.locator(".turn .answer").textContent(), "エディンバラ");
  assert.deepEqual(problems, []);
  await context.close();
});

test("a server that is gone is told", async () => {
  const doomed = await serve();
  const { page, context, problems } = await open(browser, doomed.url, { expected: FAILED });
  await page.getByText("bertqa 0").waitFor();
  await doomed.stop();
  await page.getByRole("button", { name: "ベル", exact: true }).click();
  await page.locator(".turn.failed").waitFor();
  assert.match(await page.locator(".turn .facts").textContent(), /can’t be reached/);
  assert.deepEqual(problems, []);
  await context.close();
});
