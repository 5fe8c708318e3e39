// A file that is answered row by row, in order, in several requests.

import { ApiError, inferStream } from "./api.js";
import { csvSlices, jsonlSlices } from "./slices.js";

/// One is sent while another is answered, so that the server has always something to do.
const IN_FLIGHT = 3;
const ROWS_SHOWN = 20;
const ERRORS_SHOWN = 100;
const ANSWER_COLUMNS = ["answer", "score", "start", "end", "error"];

export const formats = [
  { extensions: [".jsonl", ".ndjson"], type: "application/x-ndjson", slices: jsonlSlices, encode: encodeJsonl },
  { extensions: [".csv"], type: "text/csv", slices: csvSlices, encode: encodeCsv },
];

/// The format that a file's name promises; undefined for others.
export function formatOf({ name }) {
  return formats.find(({ extensions }) => extensions.some((extension) => name.toLowerCase().endsWith(extension)));
}

/// `state` is waiting, running, busy (the server is), stopped, failed or done; `onchange` is called when anything of it
/// has changed.
export class Job {
  state = "waiting";
  message = "";
  answered = 0;
  failed = 0;
  /// Bytes of the file whose rows are answered.
  bytes = 0;
  errors = [];
  preview = [];
  /// While running, in milliseconds, over all runs.
  elapsed = 0;

  #slices;
  /// Whether the file can't be read on, so that there is nothing to go on with.
  #unreadable = false;
  #pending = [];
  #results = [];
  #abort = null;

  constructor(file, format, onchange) {
    Object.assign(this, { file, format, onchange });
    this.#slices = format.slices(file);
  }

  get rows() {
    return this.answered + this.failed;
  }

  /// Share of the file that is answered, with what has come of the parts under way.
  get share() {
    const coming = this.#pending.reduce((sum, { slice, answers }) => {
      return sum + (slice.bytes * answers.length) / Math.max(1, slice.rows.length);
    }, 0);
    return this.state === "done" ? 1 : Math.min(1, (this.bytes + coming) / Math.max(1, this.file.size));
  }

  get canContinue() {
    return (this.state === "stopped" || this.state === "failed") && !this.#unreadable;
  }

  /// Begins, or goes on after a stop or a failure with the first part that is not answered.
  async run() {
    const began = performance.now() - this.elapsed;
    this.#abort = new AbortController();
    this.#become("running");
    const clock = setInterval(() => {
      this.elapsed = performance.now() - began;
      this.onchange();
    }, 250);
    try {
      await this.#answerAll(this.#abort.signal);
      this.#become("done");
    } catch (error) {
      const stopped = this.#abort.signal.aborted;
      this.#abort.abort();
      for (const part of this.#pending) Object.assign(part, { reply: null, answers: [] });
      this.#become(stopped ? "stopped" : "failed", stopped ? "" : error.message);
    } finally {
      clearInterval(clock);
      this.elapsed = performance.now() - began;
      this.onchange();
    }
  }

  stop() {
    this.#abort?.abort();
  }

  /// All rows answered so far, in the format of the file.
  result() {
    return new Blob(this.#results, { type: this.format.type });
  }

  async #answerAll(signal) {
    for (let ended = false; ; ) {
      while (!ended && this.#pending.length < IN_FLIGHT) {
        const { value: slice, done } = await this.#next();
        if (done) ended = true;
        else this.#pending.push({ slice, reply: null, answers: [] });
      }
      if (this.#pending.length === 0) return;
      for (const part of this.#pending) {
        part.reply ??= this.#send(part, signal);
        // Its failure is met when its turn comes.
        part.reply.catch(() => {});
      }
      await this.#pending[0].reply;
      this.#take(this.#pending.shift());
    }
  }

  async #next() {
    try {
      return await this.#slices.next();
    } catch (error) {
      this.#unreadable = true;
      throw error;
    }
  }

  async #send(part, signal) {
    const { slice } = part;
    const sent = slice.rows.filter(({ error }) => !error).length;
    if (sent === 0) return;
    for (;;) {
      part.answers = [];
      try {
        for await (const line of inferStream(slice.body, signal)) part.answers.push(line);
        break;
      } catch (error) {
        // Overloaded, or not ready yet: it says when to try again.
        if (error.status !== 429 && !error.retryAfter) throw error;
        const seconds = error.retryAfter ?? 1;
        this.#become("busy", `The server is busy; going on in ${seconds} s.`);
        await pause(1000 * seconds, signal);
        this.#become("running");
      }
    }
    if (part.answers.length !== sent) {
      throw new ApiError(`The server gave ${part.answers.length} answers to ${sent} rows.`);
    }
  }

  #take({ slice, answers }) {
    const lines = answers[Symbol.iterator]();
    const results = slice.rows.map((row) => {
      const result = row.error ? { line: null, row: unanswered(row.error) } : received(lines.next().value);
      result.fields = row.fields;
      if (result.row.error !== null && result.row.error !== undefined) {
        const reason = result.row.error.replace(/^[^\s:]*:\d+: /, "");
        result.error = `${this.file.name}:${row.line}: ${reason}`;
        this.failed += 1;
        if (this.errors.length < ERRORS_SHOWN) this.errors.push({ line: row.line, reason });
      } else {
        this.answered += 1;
      }
      if (this.preview.length < ROWS_SHOWN) this.preview.push({ line: row.line, ...result.row });
      return result;
    });
    const first = this.#results.length === 0;
    // As a blob, so that the browser may keep it on disk.
    this.#results.push(new Blob([this.format.encode(results, slice, first)]));
    this.bytes += slice.bytes;
    this.onchange();
  }

  #become(state, message = "") {
    Object.assign(this, { state, message });
    this.onchange();
  }
}

function received(line) {
  return { line, row: JSON.parse(line) };
}

function unanswered(error) {
  return { answer: null, score: null, start: null, end: null, error };
}

/// Rows as the server gave them, so that numbers keep their digits; only errors are told by the line of the file. The
/// error is a row's last column, and within its text a quote would be escaped.
function encodeJsonl(results) {
  return results
    .map(({ line, error }) => {
      if (error === undefined) return `${line}\n`;
      return `${line.slice(0, line.lastIndexOf('"error":'))}"error":${JSON.stringify(error)}}\n`;
    })
    .join("");
}

function encodeCsv(results, { header }, first) {
  const rows = results.map(({ fields, row, error }) => {
    const { answer, score, start, end } = row;
    return [...header.map((_, i) => fields[i] ?? ""), answer, score, start, end, error ?? ""];
  });
  if (first) rows.unshift([...header, ...ANSWER_COLUMNS]);
  return rows.length > 0 ? `${Papa.unparse(rows, { newline: "\n" })}\n` : "";
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
