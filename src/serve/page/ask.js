// The view that answers one question at a time.

import { infer } from "./api.js";
import { Alternatives } from "./alternatives.js";
import { Chat } from "./chat.js";
import { examples } from "./examples.js";
import { Passage } from "./passage.js";
import { codePoints, language, place } from "./text.js";

const TOP_K = 5;
const byId = (id) => document.getElementById(id);

export function startAsking(announce) {
  const [context, question, send] = [byId("context"), byId("question"), byId("send")];
  const [passageElement, edit, clear] = [byId("passage"), byId("edit"), byId("clear")];
  const passage = new Passage(passageElement);
  const chat = new Chat(byId("turns"), byId("turn-template"));
  const alternatives = new Alternatives(byId("alternatives"), {
    preview: (turn, rank) => passage.turn === turn && passage.preview(rank),
    choose: (turn, rank) => {
      read(turn);
      passage.preview(rank);
    },
  });

  /// Shows a turn's context with its answer marked.
  function read(turn) {
    context.value = turn.context;
    if (passage.turn !== turn || passageElement.hidden) {
      passageElement.hidden = false;
      context.hidden = true;
      const mark = passage.show(turn);
      if (mark) alternatives.attach(mark, turn);
    }
    for (const { element } of turns) element.classList.toggle("shown", element === turn.element);
    describe();
  }

  /// Shows the context as text that can be changed.
  function write() {
    alternatives.hide();
    passageElement.hidden = true;
    context.hidden = false;
    describe();
  }

  function describe() {
    const length = codePoints(context.value);
    byId("context-length").textContent = length ? `${length.toLocaleString()} characters` : "";
    context.lang = language(context.value);
    edit.hidden = passageElement.hidden;
    clear.hidden = length === 0;
    byId("empty").hidden = turns.length > 0;
  }

  const turns = [];

  async function ask() {
    const turn = { question: question.value.trim(), context: context.value, answers: [], places: [] };
    const missing = turn.context.trim() ? (turn.question ? null : question) : context;
    byId("composer-error").textContent =
      missing === null ? "" : missing === context ? "Paste a context first, or take an example." : "Ask something first.";
    if (missing) {
      if (missing === context) write();
      missing.focus();
      return;
    }
    question.value = "";
    turn.element = chat.add(turn);
    turns.push(turn);
    describe();
    await answer(turn);
  }

  async function answer(turn) {
    send.disabled = true;
    const began = performance.now();
    try {
      turn.answers = await infer(turn.question, turn.context, TOP_K);
      turn.places = turn.answers.map((answer) => place(turn.context, answer));
      turn.milliseconds = Math.round(performance.now() - began);
      const shows = chat.answered(turn.element, turn);
      shows.addEventListener("click", () => read(turn));
      alternatives.attach(shows, turn);
      read(turn);
      announce(`Answer: ${turn.answers[0].answer.trim() || "none"}`);
    } catch (error) {
      chat.failed(turn.element, words(error), () => {
        chat.waits(turn.element);
        answer(turn);
      });
    } finally {
      send.disabled = false;
    }
  }

  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!send.disabled) ask();
  });
  question.addEventListener("keydown", (event) => {
    // Enter also ends the composition of Japanese text; some browsers tell it by this key code only.
    const composing = event.isComposing || event.keyCode === 229;
    if (event.key === "Enter" && !event.shiftKey && !composing) {
      event.preventDefault();
      byId("composer").requestSubmit();
    }
  });
  question.addEventListener("input", () => (question.lang = language(question.value)));
  context.addEventListener("input", describe);
  edit.addEventListener("click", () => {
    write();
    context.focus();
  });
  clear.addEventListener("click", () => {
    context.value = "";
    write();
    context.focus();
  });
  showExamples((example) => {
    context.value = example.context;
    question.value = example.question;
    write();
    byId("composer").requestSubmit();
  });
  describe();
}

/// An error in words that say what to do.
function words(error) {
  if (error.status === 429) {
    const when = error.retryAfter ? ` in ${error.retryAfter} s` : " in a moment";
    return `The server has more to do than it can take. Try again${when}.`;
  }
  return error.message;
}

function showExamples(take) {
  const groups = new Map([
    ["ja", "例文"],
    ["en", "Examples"],
  ]);
  for (const [lang, label] of groups) {
    const group = document.createElement("p");
    group.lang = lang;
    group.append(Object.assign(document.createElement("span"), { className: "faint", textContent: label }));
    for (const example of examples.filter((example) => example.lang === lang)) {
      const chip = Object.assign(document.createElement("button"), { type: "button", className: "chip" });
      chip.textContent = example.name;
      chip.title = example.question;
      chip.addEventListener("click", () => take(example));
      group.append(chip);
    }
    byId("examples").append(group);
  }
}
