// The server's routes, relative to the page, so that they work below a path of a proxy too.

const KEY = "bertqa-api-key";
let askForKey = async () => null;

/// `prompt` gives a key, or null when nobody has one; it is told whether the last one was refused.
export function onKeyNeeded(prompt) {
  askForKey = prompt;
}

export function useKey(key) {
  sessionStorage.setItem(KEY, key);
}

/// What went wrong, in words for the page. `status` is 0 where no answer came.
export class ApiError extends Error {
  constructor(message, { status = 0, kind = "unreachable", retryAfter = null } = {}) {
    super(message);
    Object.assign(this, { status, kind, retryAfter });
  }
}

async function send(path, init) {
  const headers = new Headers(init.headers);
  const key = sessionStorage.getItem(KEY);
  if (key !== null) headers.set("authorization", `Bearer ${key}`);
  try {
    return await fetch(path, { ...init, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server can’t be reached. Is it still running?");
  }
}

async function failure(response) {
  const { status } = response;
  const text = await response.text().catch(() => "");
  const retryAfter = Number.parseFloat(response.headers.get("retry-after") ?? "") || null;
  let said = null;
  try {
    said = JSON.parse(text);
  } catch {
    // A proxy in between may answer in its own words.
  }
  const message = said?.error ?? `The server answered ${status} ${response.statusText}`.trim();
  return new ApiError(message, { status, kind: said?.kind ?? "unknown", retryAfter });
}

async function call(path, init, { asks = true } = {}) {
  let response = await send(path, init);
  while (response.status === 401 && asks) {
    const key = await askForKey(sessionStorage.getItem(KEY) !== null);
    if (key === null) break;
    useKey(key);
    response = await send(path, init);
  }
  if (!response.ok) throw await failure(response);
  return response;
}

/// The best answers: `[{ answer, score, start, end }]`.
export async function infer(question, context, topK) {
  const response = await call("inferences", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ question, context, top_k: topK }),
  });
  return (await response.json()).answers;
}

/// Rows in as lines of JSON, answered rows out as lines of JSON, each as soon as it comes.
export async function* inferStream(body, signal) {
  const response = await call("inferences/stream", {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body,
    signal,
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      yield* lines;
    }
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The connection broke off before all rows were answered.");
  }
  if (rest) yield rest;
}

/// What the server runs. It does not ask for a key: that waits for the first question.
export async function info() {
  return (await call("info", {}, { asks: false })).json();
}
