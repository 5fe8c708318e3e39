// The view that answers whole files.

import { Job, formatOf } from "./job.js";
import { language, score } from "./text.js";

const byId = (id) => document.getElementById(id);

export function startFiles(show, announce) {
  let last = Promise.resolve();

  function add(files) {
    if (files.length === 0) return;
    show();
    const unknown = files.filter((file) => !formatOf(file));
    byId("files-error").hidden = unknown.length === 0;
    byId("files-error").textContent = unknown
      .map(({ name }) => `${name} is neither .jsonl, .ndjson nor .csv; bertqa run reads more formats.`)
      .join(" ");
    for (const file of files.filter(formatOf)) {
      const card = new Card(file, announce);
      byId("jobs").prepend(card.element);
      // One after the other: each takes all that the server gives.
      last = last.then(() => card.start());
    }
  }

  byId("choose").addEventListener("change", ({ target }) => {
    add([...target.files]);
    target.value = "";
  });
  const carriesFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files");
  const dragging = (yes) => document.body.classList.toggle("dragging", yes);
  addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    dragging(true);
  });
  addEventListener("dragleave", ({ relatedTarget }) => relatedTarget === null && dragging(false));
  addEventListener("drop", (event) => {
    dragging(false);
    if (!carriesFiles(event)) return;
    event.preventDefault();
    add([...event.dataTransfer.files]);
  });
}

/// A file on the page: how far it is, what went wrong, and its download.
class Card {
  #announce;
  #job;
  #said = "";
  #url = null;

  constructor(file, announce) {
    this.element = byId("job-template").content.firstElementChild.cloneNode(true);
    this.#announce = announce;
    this.#job = new Job(file, formatOf(file), () => this.#draw());
    this.#part(".job-name").textContent = file.name;
    this.#part(".job-size").textContent = size(file.size);
    this.#part("progress").ariaLabel = `Progress of ${file.name}`;
    this.#part(".job-stop").addEventListener("click", () => this.#job.stop());
    this.#part(".job-continue").addEventListener("click", () => this.start());
    this.#draw();
  }

  async start() {
    await this.#job.run();
    this.#offer();
    this.#announce(this.#sentence());
  }

  #part(selector) {
    return this.element.querySelector(selector);
  }

  #draw() {
    const job = this.#job;
    const ended = job.state === "done" || job.state === "failed" || job.state === "stopped";
    this.element.dataset.state = job.state;
    this.#part("progress").value = job.share;
    this.#part(".job-answered").textContent = job.answered.toLocaleString();
    this.#part(".job-failed").textContent = job.failed.toLocaleString();
    const speed = (1000 * job.rows) / job.elapsed;
    this.#part(".job-speed").textContent = job.rows > 0 && job.elapsed > 0 ? speed.toFixed(1) : "–";
    this.#part(".job-stop").hidden = ended || job.state === "waiting";
    this.#part(".job-continue").hidden = !job.canContinue;
    if (!ended) this.#part(".job-download").hidden = true;
    const sentence = this.#sentence();
    if (sentence !== this.#said) this.#part(".job-state").textContent = this.#said = sentence;
    this.#drawErrors(job);
    this.#drawPreview(job);
  }

  #sentence() {
    const { state, message, rows, failed } = this.#job;
    const done = failed > 0 ? `${failed.toLocaleString()} of ${count(rows)} have no answer.` : `All ${count(rows)} are answered.`;
    return {
      waiting: "Waiting for the file before it.",
      running: "",
      busy: message,
      stopped: `Stopped after ${count(rows)}.`,
      failed: `${message} ${rows > 0 ? `${count(rows)} are done until here.` : ""}`.trim(),
      done: rows > 0 ? `Done. ${done}` : "Done. The file has no rows.",
    }[state];
  }

  #drawErrors({ errors, failed }) {
    const list = this.#part(".job-errors ol");
    this.#part(".job-errors").hidden = failed === 0;
    const summary = failed > errors.length ? `The first ${errors.length} rows without an answer` : `${count(failed)} without an answer`;
    this.#part(".job-errors summary").textContent = summary;
    for (const { line, reason } of errors.slice(list.childElementCount)) {
      const item = document.createElement("li");
      const where = Object.assign(document.createElement("span"), { className: "faint", textContent: `line ${line}` });
      item.append(where, ` ${reason}`);
      list.append(item);
    }
  }

  #drawPreview({ preview }) {
    const body = this.#part(".job-preview tbody");
    this.#part(".job-preview").hidden = preview.length === 0;
    for (const row of preview.slice(body.childElementCount)) {
      const tr = body.insertRow();
      const cells = [row.line, row.question ?? "", row.answer ?? "–", row.score === null ? "" : score(row.score)];
      for (const [index, text] of cells.entries()) {
        const cell = tr.insertCell();
        cell.textContent = text;
        if (index === 1 || index === 2) cell.lang = language(String(text));
      }
    }
  }

  /// What is answered so far, as a download.
  #offer() {
    const job = this.#job;
    if (job.rows === 0) return;
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = URL.createObjectURL(job.result());
    const link = this.#part(".job-download");
    const dot = job.file.name.lastIndexOf(".");
    link.href = this.#url;
    link.download = `${job.file.name.slice(0, dot)}.answers${job.file.name.slice(dot)}`;
    link.textContent = job.state === "done" ? "Download the answers" : "Download what is answered";
    link.hidden = false;
  }
}

function count(rows) {
  return rows === 1 ? "1 row" : `${rows.toLocaleString()} rows`;
}

function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${(bytes / 1000 ** power).toLocaleString(undefined, { maximumFractionDigits: power ? 1 : 0 })} ${units[power]}`;
}
