// A server of the built binary, and a browser that looks at its page.

import { spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { chromium } from "playwright-core";

const binary = needed("BERTQA");
export const root = needed("BERTQA_ROOT");

/// How long a slow machine may take; only a hang takes longer.
export const PATIENCE = 180_000;

function needed(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; tests/page.sh sets it`);
  return value;
}

export const sample = (name) => join(root, "samples", name);

/// Starts `bertqa serve` on a free port, and waits until it is ready.
export async function serve({ key } = {}) {
  const env = { ...process.env, BERTQA_THREADS: "2" };
  if (key) env.BERTQA_API_KEY = key;
  const child = spawn(binary, ["serve", "--port", "0"], { env, stdio: ["ignore", "ignore", "pipe"] });
  const said = [];
  const url = await new Promise((resolve, reject) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      said.push(line);
      const listens = line.match(/listening on (http:\/\/\S+)/);
      if (listens) resolve(`${listens[1]}/`);
    });
    child.on("exit", (code) => reject(new Error(`serve ended with ${code}: ${said.join("\n")}`)));
  });
  const began = Date.now();
  while (!(await fetch(`${url}ready`)).ok) {
    if (Date.now() - began > PATIENCE) throw new Error(`never ready: ${said.join("\n")}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const stop = () =>
    new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve();
      child.on("exit", resolve);
      child.kill("SIGKILL");
    });
  return { url, stop };
}

/// What `bertqa run` says to a file.
export function run(file) {
  const { stdout, stderr, status } = spawnSync(binary, ["run", file, "-o", "-", "--quiet"], { maxBuffer: 1 << 30 });
  if (status > 1) throw new Error(`bertqa run: ${status}: ${stderr}`);
  return stdout.toString().trimEnd().split("\n").map((line) => JSON.parse(line));
}

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // Debian's Chromium as root, and without what it would ask of hosts that are not there.
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/// Opens the page. `problems` collects what must not happen: errors in the console, requests to other hosts.
export async function open(browser, url, { expected = [], ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => {
    const text = message.text();
    const known = expected.some((part) => text.includes(part));
    if (["error", "warning"].includes(message.type()) && !known) problems.push(text);
  });
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (protocol !== "blob:" && protocol !== "data:" && `${origin}/` !== url) problems.push(`asked ${request.url()}`);
  });
  await page.goto(url);
  return { page, context, problems };
}

/// The context as it is shown, and where in it the answer is marked, in Unicode code points.
export function marked(page) {
  return page.evaluate(() => {
    const mark = document.querySelector(".best");
    const passage = document.querySelector("#passage");
    const before = document.createRange();
    before.setStart(passage, 0);
    before.setEndBefore(mark);
    const start = [...before.toString()].length;
    const text = mark.textContent;
    const context = passage.textContent;
    return { context, text, start, end: start + [...text].length, score: mark.dataset.score };
  });
}

/// Asks, and waits for the answer to be shown.
export async function ask(page, question) {
  const turns = await page.locator(".turn").count();
  await page.getByLabel("Question", { exact: true }).fill(question);
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await settled(page, turns + 1);
}

/// Waits until there are so many turns and none waits for its answer.
export async function settled(page, turns) {
  await page.waitForFunction(
    (count) => document.querySelectorAll(".turn").length === count && !document.querySelector(".turn.waits"),
    turns,
  );
}

/// Waits for a file to be answered, and gives what its download has.
export async function download(page, name) {
  const job = page.locator(".job", { hasText: name });
  await job.and(page.locator("[data-state=done]")).waitFor();
  const [file] = await Promise.all([
    page.waitForEvent("download"),
    job.getByRole("link", { name: "Download the answers" }).click(),
  ]);
  const chunks = [];
  for await (const chunk of await file.createReadStream()) chunks.push(chunk);
  return { job, name: file.suggestedFilename(), text: Buffer.concat(chunks).toString() };
}
