// Whole files: what the page gives back is what `bertqa run` gives.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { download, launch, open, run, sample, serve } from "./support.js";

let browser, server, folder;
before(async () => {
  [browser, server] = await Promise.all([launch(), serve()]);
  folder = await mkdtemp(join(tmpdir(), "bertqa-page-"));
});
after(async () => {
  await browser?.close();
  await server?.stop();
  if (folder) await rm(folder, { recursive: true });
});

/// Rows in a file.
async function file(name, lines) {
  const path = join(folder, name);
  await writeFile(path, lines.map((line) => `${line}\n`).join(""));
  return path;
}

/// Every column the same, scores but for rounding, and errors at the same lines.
function assertSame(found, expected) {
  assert.equal(found.length, expected.length);
  for (const [index, { score, error, ...row }] of expected.entries()) {
    const { score: foundScore, error: foundError, ...foundRow } = found[index];
    assert.deepEqual(foundRow, row);
    if (score === null) assert.equal(foundScore, null);
    else assert.ok(Math.abs(foundScore - score) < 1e-4, `${foundScore} ${score}`);
    const place = (error) => error && error.match(/[^/]*:\d+: /)[0];
    assert.equal(place(foundError), place(error));
  }
}

test("a JSON Lines file with good and bad rows", async () => {
  const { page, context, problems } = await open(browser, server.url);
  const path = sample("bad-rows.jsonl");
  await page.getByRole("tab", { name: "Files" }).click();
  await page.locator("#choose").setInputFiles(path);
  const { job, name, text } = await download(page, basename(path));
  assert.equal(name, "bad-rows.answers.jsonl");
  const expected = run(path);
  assertSame(text.trimEnd().split("\n").map((line) => JSON.parse(line)), expected);

  const failed = expected.filter(({ error }) => error !== null).length;
  assert.equal(await job.locator(".job-failed").textContent(), String(failed));
  assert.equal(await job.locator(".job-answered").textContent(), String(expected.length - failed));
  await job.locator(".job-errors summary").click();
  assert.equal(await job.locator(".job-errors li").count(), failed);
  assert.match(await job.locator(".job-errors li").first().textContent(), /line 2 .*JSON/);
  assert.deepEqual(problems, []);
  await context.close();
});

test("a CSV file that is dropped, with line breaks in its fields", async () => {
  const { page, context, problems } = await open(browser, server.url);
  const path = sample("questions.csv");
  const bytes = (await readFile(path)).toString("base64");
  const transfer = await page.evaluateHandle((bytes) => {
    const transfer = new DataTransfer();
    const content = Uint8Array.from(atob(bytes), (character) => character.charCodeAt(0));
    transfer.items.add(new File([content], "questions.csv", { type: "text/csv" }));
    return transfer;
  }, bytes);
  await page.dispatchEvent("body", "dragover", { dataTransfer: transfer });
  assert.ok(await page.locator("body.dragging").isVisible());
  await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
  const { name, text } = await download(page, "questions.csv");
  assert.equal(name, "questions.answers.csv");
  const found = await page.evaluate((text) => Papa.parse(text.trimEnd(), { header: true }).data, text);
  const typed = found.map(({ score, start, end, error, ...row }) => {
    return { ...row, score: Number(score), start: Number(start), end: Number(end), error: error || null };
  });
  const expected = run(path);
  assert.ok(expected.every(({ error }) => error === null));
  assertSame(typed, expected);
  assert.deepEqual(problems, []);
  await context.close();
});

test("many rows go in several requests and come back in order, as they were", async () => {
  const good = { question: "琵琶湖は何県にありますか?", context: "琵琶湖は滋賀県にある。" };
  // Blank lines are no rows but count as lines, and a number keeps its digits.
  const lines = Array.from({ length: 1000 }, (_, n) => {
    if (n % 50 === 7) return "";
    if (n % 100 === 42) return `{"n":12345678901234567890,"question":"${good.question}","context":"${good.context}"}`;
    return `{"n":1.50,"at":${n},"question":"","context":"\\"error\\": x"}`;
  });
  const path = await file("many.jsonl", lines);
  const { page, context, problems } = await open(browser, server.url);
  let requests = 0;
  page.on("request", (request) => (requests += request.url().endsWith("/inferences/stream") ? 1 : 0));
  await page.locator("#choose").setInputFiles(path);
  const { text } = await download(page, "many.jsonl");
  const found = text.trimEnd().split("\n");
  assertSame(found.map((line) => JSON.parse(line)), run(path));
  assert.ok(found[0].startsWith('{"n":1.50,"at":0,'), found[0]);
  assert.ok(found.some((line) => line.startsWith('{"n":12345678901234567890,') && line.includes('"answer":"滋賀県"')));
  assert.ok(requests > 1);
  assert.deepEqual(problems, []);
  await context.close();
});

test("records that are no rows are failed rows, and what is no file of rows says why", async () => {
  const { page, context, problems } = await open(browser, server.url);
  const records = ["question,context,note", "琵琶湖は何県にありますか?,琵琶湖は滋賀県にある。,", "too,few", "one,too,many,fields", ""];
  await page.locator("#choose").setInputFiles(await file("records.csv", records));
  const { job, text } = await download(page, "records.csv");
  assert.equal(await job.locator(".job-answered").textContent(), "1");
  assert.equal(await job.locator(".job-failed").textContent(), "2");
  assert.match(text, /^too,few,,,,,,records\.csv:3: the record has 2 fields and the header 3/m);

  const cases = [
    ["empty.csv", [], /begins with a header/],
    ["columns.csv", ["q,context", "a,b"], /no column “question”/],
    ["twice.csv", ["question,context,question", "a,b,c"], /twice/],
  ];
  for (const [name, content, message] of cases) {
    await page.locator("#choose").setInputFiles(await file(name, content));
    const failed = page.locator(".job[data-state=failed]", { hasText: name });
    await failed.waitFor();
    assert.match(await failed.locator(".job-state").textContent(), message);
    assert.ok(await failed.locator(".job-continue").isHidden());
  }
  await writeFile(join(folder, "sjis.csv"), Buffer.from([...Buffer.from("question,context\n"), 0x93, 0xfa, 0x2c, 0x96]));
  await page.locator("#choose").setInputFiles(join(folder, "sjis.csv"));
  const failed = page.locator(".job[data-state=failed]", { hasText: "sjis.csv" });
  assert.match(await failed.locator(".job-state").textContent(), /not UTF-8/);

  await page.locator("#choose").setInputFiles(await file("rows.txt", ["x"]));
  assert.match(await page.locator("#files-error").textContent(), /rows\.txt is neither/);
  assert.deepEqual(problems, []);
  await context.close();
});

test("a busy server is waited for; a stop and a broken connection can be gone on from", async () => {
  const { page, context, problems } = await open(browser, server.url, { expected: ["Failed to load resource"] });
  const good = JSON.stringify({ question: "琵琶湖は何県にありますか?", context: "琵琶湖は滋賀県にある。" });
  const bad = JSON.stringify({ question: "", context: "" });
  const path = await file("long.jsonl", Array.from({ length: 450 }, (_, n) => (n % 150 === 0 ? good : bad)));
  let count = 0;
  await page.route("**/inferences/stream", (route) => {
    count += 1;
    if (count <= 4) {
      // The parts that are sent at first wait longer than anybody would; stopped and sent again, one waits a second.
      const headers = { "retry-after": count <= 3 ? "3600" : "1" };
      return route.fulfill({ status: 429, headers, json: { error: "overloaded", kind: "overloaded" } });
    }
    return count === 8 ? route.abort("connectionreset") : route.continue();
  });
  await page.locator("#choose").setInputFiles(path);
  const job = page.locator(".job", { hasText: "long.jsonl" });
  await job.getByText("The server is busy; going on in 3600 s.").waitFor();
  while (count < 3) await page.waitForTimeout(10);
  await job.getByRole("button", { name: "Stop" }).click();
  await job.getByText("Stopped after 0 rows.").waitFor();
  await job.getByRole("button", { name: "Continue" }).click();
  await job.and(page.locator("[data-state=failed]")).waitFor();
  await job.getByRole("link", { name: "Download what is answered" }).waitFor();
  await job.getByRole("button", { name: "Continue" }).click();
  const { text } = await download(page, "long.jsonl");
  assertSame(text.trimEnd().split("\n").map((line) => JSON.parse(line)), run(path));
  assert.deepEqual(problems, []);
  await context.close();
});
