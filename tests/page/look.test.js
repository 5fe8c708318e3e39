// How the page looks: accessible, and whole on a phone. With BERTQA_SCREENSHOTS, a folder, it is photographed.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, open, sample, serve, settled } from "./support.js";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const folder = process.env.BERTQA_SCREENSHOTS;

let browser, server;
before(async () => {
  [browser, server] = await Promise.all([launch(), serve()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const SCREENS = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
};

for (const colorScheme of ["light", "dark"]) {
  for (const [screen, options] of Object.entries(SCREENS)) {
    test(`${colorScheme}, ${screen}`, async () => {
      const expected = ["Failed to load resource"];
      const { page, context, problems } = await open(browser, server.url, { ...options, colorScheme, expected });
      const look = async (name) => {
        if (folder) await page.screenshot({ path: join(folder, `${name}-${colorScheme}-${screen}.png`) });
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(width <= options.viewport.width, `${name} is ${width} pixels wide`);
        const { violations } = await page.evaluate(`${axe}; axe.run()`);
        const found = violations.flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${name}: ${id}: ${help}: ${html}`));
        assert.deepEqual(found, []);
      };
      await page.getByText("bertqa 0").waitFor();
      await look("1-empty");
      await page.getByRole("button", { name: "ベル", exact: true }).click();
      await settled(page, 1);
      await look("2-answer");
      await page.locator(".best").focus();
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowDown");
      await page.locator(".alternative:focus").waitFor();
      await look("3-alternatives");
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Python", exact: true }).click();
      await settled(page, 2);
      await page.route("**/inferences", (route) =>
        route.fulfill({ status: 429, headers: { "retry-after": "2" }, json: { error: "overloaded", kind: "overloaded" } }),
      );
      await page.getByRole("button", { name: "Eiffel Tower", exact: true }).click();
      await page.locator(".turn.failed").waitFor();
      await look("4-chat");
      await page.locator("#choose").setInputFiles(sample("bad-rows.jsonl"));
      await page.locator(".job[data-state=done]").waitFor();
      await page.locator(".job-preview summary").click();
      await page.locator(".job-errors summary").click();
      await look("5-files");
      assert.deepEqual(problems, []);
      await context.close();
    });
  }
}
