// What the page is made of: two views, the key dialog, and what the server runs.

import { info, onKeyNeeded, useKey } from "./api.js";
import { startAsking } from "./ask.js";
import { startFiles } from "./files.js";

const byId = (id) => document.getElementById(id);
const tabs = [...document.querySelectorAll("[role=tab]")];

/// Says something to those who hear the page.
function announce(text) {
  byId("status").textContent = text;
}

function select(tab) {
  for (const other of tabs) {
    const selected = other === tab;
    other.ariaSelected = String(selected);
    other.tabIndex = selected ? 0 : -1;
    byId(other.getAttribute("aria-controls")).hidden = !selected;
  }
}

for (const [index, tab] of tabs.entries()) {
  tab.addEventListener("click", () => select(tab));
  tab.addEventListener("keydown", ({ key }) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (step === undefined) return;
    const next = tabs[(index + step + tabs.length) % tabs.length];
    select(next);
    next.focus();
  });
}

/// Several requests may need the key at once; all wait for the same dialog.
let asking = null;
function askForKey(refused = false) {
  byId("key-refused").hidden = !refused;
  asking ??= new Promise((resolve) => {
    const dialog = byId("key-dialog");
    byId("key-input").value = "";
    dialog.returnValue = "";
    dialog.showModal();
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "use" ? byId("key-input").value : null), {
      once: true,
    });
  }).finally(() => (asking = null));
  return asking;
}

async function describeServer() {
  try {
    const { model, version } = await info();
    byId("about").textContent = `${model.model} · ${model.engine} · bertqa ${version}`;
    byId("key").hidden = true;
  } catch (error) {
    byId("about").textContent = error.status === 401 ? "" : error.message;
    byId("key").hidden = error.status !== 401;
    // The model is still being loaded.
    if (error.retryAfter !== null) setTimeout(describeServer, 1000 * error.retryAfter);
  }
}

onKeyNeeded(async (refused) => {
  const key = await askForKey(refused);
  if (key !== null) {
    useKey(key);
    describeServer();
  }
  return key;
});
byId("key").addEventListener("click", async () => {
  const key = await askForKey();
  if (key === null) return;
  useKey(key);
  describeServer();
});

startAsking(announce);
startFiles(() => select(byId("tab-files")), announce);
describeServer();
