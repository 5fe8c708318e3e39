// One question at a time.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask, launch, marked, open, serve, settled } from "./support.js";

let browser, server;
before(async () => {
  [browser, server] = await Promise.all([launch(), serve()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/// What the API says itself.
async function infer(question, context) {
  const response = await fetch(`${server.url}inferences`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ question, context, top_k: 5 }),
  });
  assert.equal(response.status, 200);
  return (await response.json()).answers;
}

/// Holds the mark against the API, which counts the white space before an English word to the word.
async function assertMarked(page, question) {
  const found = await marked(page);
  const [best] = await infer(question, found.context);
  const points = [...found.context];
  assert.equal(points.slice(best.start, best.end).join(""), best.answer);
  assert.equal(found.text, best.answer.trim());
  assert.equal(found.start, best.start + ([...best.answer].length - [...best.answer.trimStart()].length));
  assert.equal(found.end, best.end - ([...best.answer].length - [...best.answer.trimEnd()].length));
  assert.ok(Math.abs(Number(found.score) - best.score) < 1e-3, `${found.score} ${best.score}`);
}

for (const [example, question, answer] of [
  ["ベル", "グラハム・ベルはどこで生まれましたか?", "エディンバラ"],
  ["返品", "返品はいつまでにすればよいですか?", "14日以内"],
  // Characters that are two UTF-16 units, or several code points, come before the answer.
  ["𠮷田さん", "𠮷田さんの店の定休日は何曜日ですか?", "火曜日"],
  ["Python", "Who created the Python programming language?", "Guido van Rossum"],
]) {
  test(`the example ${example} is answered at a click, and its answer marked in its place`, async () => {
    const { page, context, problems } = await open(browser, server.url);
    await page.getByRole("button", { name: example, exact: true }).click();
    await settled(page, 1);
    assert.equal(await page.locator(".turn .answer").textContent(), answer);
    assert.equal(await page.locator(".asked").textContent(), question);
    await assertMarked(page, question);
    assert.deepEqual(problems, []);
    await context.close();
  });
}

test("questions of one's own, on a context that is pasted and changed, make a chat", async () => {
  const { page, context, problems } = await open(browser, server.url);
  await page.getByLabel("The text in which").fill("信濃川は日本で最も長い川である。🍞\n\n琵琶湖は滋賀県にある。");
  await ask(page, "琵琶湖は何県にありますか?");
  await assertMarked(page, "琵琶湖は何県にありますか?");
  await ask(page, "日本で最も長い川は何ですか?");
  await assertMarked(page, "日本で最も長い川は何ですか?");

  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("The text in which").fill("富士山の高さは3776メートルである。");
  await ask(page, "富士山の高さは何メートルですか。");
  await assertMarked(page, "富士山の高さは何メートルですか。");
  assert.equal(await page.locator(".turn").count(), 3);

  // An earlier answer brings its context back.
  await page.locator(".turn .answer").first().click();
  await assertMarked(page, "琵琶湖は何県にありますか?");
  assert.deepEqual(problems, []);
  await context.close();
});

test("alternatives are shown on hover, and each in its place", async () => {
  const { page, context, problems } = await open(browser, server.url);
  await page.getByRole("button", { name: "ベル", exact: true }).click();
  await settled(page, 1);
  const answers = await infer("グラハム・ベルはどこで生まれましたか?", (await marked(page)).context);
  assert.equal(answers.length, 5);

  for (const trigger of [page.locator(".best"), page.locator(".turn .answer")]) {
    await trigger.hover();
    await page.locator("#alternatives:popover-open").waitFor();
    const shown = await page.locator(".alternative-text").allTextContents();
    assert.deepEqual(shown, answers.map(({ answer }) => answer.trim()));
    await page.locator(".alternative").nth(1).hover();
    assert.equal((await page.locator(".preview").allTextContents()).join(""), answers[1].answer);
    await page.mouse.move(2, 2);
    await page.locator("#alternatives").waitFor({ state: "hidden" });
    assert.equal(await page.locator(".preview").count(), 0);
  }
  assert.deepEqual(problems, []);
  await context.close();
});

test("alternatives are shown on a tap", async () => {
  const { page, context, problems } = await open(browser, server.url, {
    hasTouch: true,
    isMobile: true,
    viewport: { width: 360, height: 740 },
  });
  await page.getByRole("button", { name: "ベル", exact: true }).tap();
  await settled(page, 1);
  await page.locator(".best").tap();
  await page.locator("#alternatives:popover-open").waitFor();
  await page.locator(".alternative").nth(1).tap();
  await page.locator("#alternatives").waitFor({ state: "hidden" });
  assert.equal((await page.locator(".preview").allTextContents()).join(""), "スコットランドのエディンバラ");
  assert.deepEqual(problems, []);
  await context.close();
});

test("Enter that ends a composition asks nothing", async () => {
  const { page, context } = await open(browser, server.url);
  await page.getByLabel("The text in which").fill("琵琶湖は滋賀県にある。");
  const question = page.getByLabel("Question", { exact: true });
  await question.fill("琵琶湖は何県にありますか");
  await question.evaluate((element) => {
    element.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", isComposing: true, bubbles: true, cancelable: true }));
  });
  assert.equal(await page.locator(".turn").count(), 0);
  await question.press("Enter");
  await settled(page, 1);
  await context.close();
});

test("all can be done from the keyboard, with a focus that is seen", async () => {
  const { page, context, problems } = await open(browser, server.url);
  /// Presses Tab until `selector` has the focus; whatever gets it on the way must show it.
  const tabTo = async (selector, key = "Tab") => {
    for (let presses = 0; presses < 40; presses += 1) {
      await page.keyboard.press(key);
      const [there, seen, what] = await page.evaluate((selector) => {
        const { activeElement: element } = document;
        const shows = element.matches("#choose") ? element.nextElementSibling : element;
        const { outlineStyle, outlineWidth } = getComputedStyle(shows);
        const seen = element === document.body || (outlineStyle !== "none" && Number.parseFloat(outlineWidth) >= 2);
        return [element.matches(selector), seen, element.outerHTML.slice(0, 120)];
      }, selector);
      assert.ok(seen, `the focus is not seen on ${what}`);
      if (there) return;
    }
    assert.fail(`Tab does not lead to ${selector}`);
  };

  await tabTo(".chip");
  await page.keyboard.press("Enter");
  await settled(page, 1);
  await tabTo(".best", "Shift+Tab");
  await page.locator("#alternatives:popover-open").waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  assert.equal(await page.locator(".alternative:focus .alternative-text").textContent(), "スコットランドのエディンバラ");
  assert.equal((await page.locator(".preview").allTextContents()).join(""), "スコットランドのエディンバラ");
  await page.keyboard.press("Escape");
  await page.locator("#alternatives").waitFor({ state: "hidden" });
  assert.ok(await page.evaluate(() => document.activeElement.matches(".best")));

  await tabTo("#question");
  await page.keyboard.type("電話の特許を得たのは何年ですか?");
  await page.keyboard.press("Enter");
  await settled(page, 2);
  await assertMarked(page, "電話の特許を得たのは何年ですか?");

  await tabTo("[role=tab]", "Shift+Tab");
  await page.keyboard.press("ArrowRight");
  await tabTo("#choose");
  assert.deepEqual(problems, []);
  await context.close();
});
