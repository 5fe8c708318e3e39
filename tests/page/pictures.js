// Photographs the page, the report and the terminal for docs/images; tests/pictures.sh runs it.
// usage: node pictures.js WORK IMAGES

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { launch, open, serve, settled } from "./support.js";

const [work, images] = process.argv.slice(2);
const COLORS = ["#2e3436", "#ef6b73", "#7fd962", "#e8c65b", "#6cb6ff", "#d2a8ff", "#56d4dd", "#d0d7de"];
const BRIGHT = ["#8b949e", "#ff9494", "#a6f08a", "#ffe08a", "#9ccfff", "#e2c5ff", "#8ff0f5", "#ffffff"];

/// Colour `38;5;N` or `48;5;N` of a terminal.
function indexed(n) {
  if (n < 8) return COLORS[n];
  if (n < 16) return BRIGHT[n - 8];
  if (n >= 232) return `rgb(${Array(3).fill(8 + 10 * (n - 232)).join()})`;
  const part = (x) => (x ? 55 + 40 * x : 0);
  return `rgb(${[Math.floor((n - 16) / 36), Math.floor((n - 16) / 6) % 6, (n - 16) % 6].map(part).join()})`;
}

/// What tmux captured, as HTML.
function html(ansi) {
  const escape = (text) => text.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);
  let style = {};
  let out = "";
  for (const part of ansi.split(/(\x1b\[[\d;]*m)/)) {
    const codes = part.match(/^\x1b\[([\d;]*)m$/)?.[1].split(";").map(Number);
    if (!codes) {
      const css = Object.entries(style).map(([k, v]) => `${k}:${v}`).join(";");
      out += css ? `<span style="${css}">${escape(part)}</span>` : escape(part);
      continue;
    }
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i];
      if (code === 0) style = {};
      else if (code === 1) style["font-weight"] = "bold";
      else if (code === 2) style.opacity = 0.65;
      else if (code >= 30 && code < 38) style.color = COLORS[code - 30];
      else if (code >= 90 && code < 98) style.color = BRIGHT[code - 90];
      else if (code === 39) delete style.color;
      else if ((code === 38 || code === 48) && codes[i + 1] === 5) {
        style[code === 38 ? "color" : "background"] = indexed(codes[i + 2]);
        i += 2;
      }
    }
  }
  return out;
}

const browser = await launch();
const server = await serve();
try {
  const { page, context } = await open(browser, server.url, {
    viewport: { width: 1100, height: 700 },
    colorScheme: "light",
  });
  await page.getByRole("button", { name: "ベル", exact: true }).click();
  await settled(page, 1);
  await page.waitForTimeout(500);
  await page.screenshot({ path: join(images, "page.png") });
  await context.close();

  const report = await browser.newPage({ viewport: { width: 1000, height: 900 }, colorScheme: "light" });
  await report.goto(pathToFileURL(join(work, "report.html")).href);
  await report.screenshot({ path: join(images, "report.png") });

  const terminal = await browser.newPage({ viewport: { width: 1300, height: 600 }, deviceScaleFactor: 1.5 });
  const screens = [];
  for (const name of ["running", "done"]) {
    const ansi = (await readFile(join(work, `${name}.ansi`), "utf8")).trimEnd();
    screens.push(`<pre>${html(ansi)}</pre>`);
  }
  await terminal.setContent(`<meta charset="utf-8"><style>
    body { margin: 0; background: #fff; display: inline-block }
    #screens { background: #161b22; color: #d0d7de; padding: 14px 18px; border-radius: 8px }
    pre { margin: 0; font: 14px/1.4 "DejaVu Sans Mono", "Noto Sans Mono CJK JP", monospace }
    pre + pre { border-top: 1px dashed #6e7681; margin-top: 12px; padding-top: 12px }
  </style><div id="screens">${screens.join("")}</div>`);
  await terminal.locator("#screens").screenshot({ path: join(images, "terminal.png"), omitBackground: true });
} finally {
  await browser.close();
  await server.stop();
}
