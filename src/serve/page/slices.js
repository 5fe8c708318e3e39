// A file's rows in parts that are small enough for one request: neither the browser nor the server holds the file.
//
// A part is `{ rows, bytes, body }`: the rows' line numbers, and, where the page itself found a row unreadable, the
// `error`; how much of the file they take; and what to send, one line of JSON for each row without an error.
// Parts are small because a browser reads no answer before the whole request is sent, and a server that streams takes
// no more of a request while nobody reads its answers.

const MOST_ROWS = 100;
const MOST_BYTES = 128 << 10;

/// The lines of JSON Lines go to the server byte for byte: it says what is wrong with one.
export async function* jsonlSlices(file) {
  const [LF, SPACE] = [0x0a, 0x20];
  let rows = [];
  let line = 1;
  let blank = true;
  let [from, position] = [0, 0];
  const part = (to) => {
    const slice = { rows, bytes: to - from, body: file.slice(from, to) };
    [rows, from] = [[], to];
    return slice;
  };
  for await (const chunk of chunks(file.stream())) {
    for (let start = 0; start < chunk.length; ) {
      const newline = chunk.indexOf(LF, start);
      const end = newline < 0 ? chunk.length : newline;
      blank &&= chunk.subarray(start, end).every((byte) => byte <= SPACE);
      start = end + 1;
      if (newline < 0) break;
      if (!blank) rows.push({ line });
      [line, blank] = [line + 1, true];
      const to = position + start;
      if (rows.length >= MOST_ROWS || to - from >= MOST_BYTES) yield part(to);
    }
    position += chunk.length;
  }
  if (!blank) rows.push({ line });
  if (rows.length > 0) yield part(position);
}

/// Records of CSV become lines of JSON, every value a string. The first part has the `header`.
export async function* csvSlices(file) {
  await checkUtf8(file);
  let header = null;
  let line = 1;
  let bytes = 0;
  let rows = [];
  let lines = [];
  const part = () => {
    const slice = { rows, bytes, body: lines.join("\n"), header };
    [rows, lines, bytes] = [[], [], 0];
    return slice;
  };
  for await (const { data, errors } of chunks(csvChunks(file))) {
    const malformed = new Set(errors.filter(({ type }) => type === "Quotes").map(({ row }) => row));
    for (const [index, fields] of data.entries()) {
      const at = line;
      line += 1 + fields.reduce((count, field) => count + field.split("\n").length - 1, 0);
      if (fields.length === 1 && fields[0] === "") continue;
      if (header === null) {
        header = checkHeader(fields);
        continue;
      }
      bytes += new Blob(fields).size + fields.length;
      const row = { line: at, fields, error: fault(fields, header, malformed.has(index)) };
      rows.push(row);
      if (!row.error) lines.push(JSON.stringify(Object.fromEntries(header.map((name, i) => [name, fields[i]]))));
      if (rows.length >= MOST_ROWS || bytes >= MOST_BYTES) yield part();
    }
  }
  if (header === null) throw new Error("The file is empty; a CSV begins with a header.");
  yield part();
}

function fault(fields, header, malformed) {
  if (malformed) return "a quote is not closed, or stands within a field";
  if (fields.length === header.length) return null;
  return `the record has ${fields.length} fields and the header ${header.length}; is a comma not quoted?`;
}

function checkHeader(names) {
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new Error(`The header names the column “${twice}” twice; rename one.`);
  const missing = ["question", "context"].find((name) => !names.includes(name));
  if (missing) throw new Error(`The header has no column “${missing}”; it has ${names.join(", ")}.`);
  return names;
}

/// The file's records as the parser finds them, no faster than they are taken.
function csvChunks(file) {
  let parser = null;
  return new ReadableStream(
    {
      start(stream) {
        Papa.parse(file, {
          delimiter: ",",
          chunkSize: 1 << 20,
          chunk(results, handle) {
            parser = handle;
            parser.pause();
            stream.enqueue(results);
          },
          complete: () => stream.close(),
          error: (error) => stream.error(error),
        });
      },
      pull: () => parser?.resume(),
      cancel: () => parser?.abort(),
    },
    { highWaterMark: 1 },
  );
}

/// The parser would put replacement characters for what it can't read.
async function checkUtf8(file) {
  try {
    for await (const _ of chunks(file.stream().pipeThrough(new TextDecoderStream("utf-8", { fatal: true }))));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Error("The file is not UTF-8 (Shift_JIS?). Save it as “CSV UTF-8” and choose it again.");
  }
}

/// Not every browser iterates over streams itself.
async function* chunks(stream) {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
