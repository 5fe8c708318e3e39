// Questions and answers of this visit.

import { language, score, surroundings } from "./text.js";

const AROUND = 24;

export class Chat {
  #list;
  #template;

  constructor(list, template) {
    this.#list = list;
    this.#template = template;
  }

  /// Adds a question that waits for its answer, and gives its element.
  add({ question }) {
    const element = this.#template.content.firstElementChild.cloneNode(true);
    const asked = element.querySelector(".asked");
    asked.textContent = question;
    asked.lang = language(question);
    this.#list.append(element);
    this.waits(element);
    element.scrollIntoView({ block: "nearest" });
    return element;
  }

  waits(element) {
    element.classList.add("waits");
    element.classList.remove("failed");
    element.querySelector(".retry")?.remove();
    element.querySelector(".facts").textContent = "Reading the context …";
  }

  /// Shows the answer, and gives what shows it.
  answered(element, { context, answers, places, milliseconds }) {
    element.classList.remove("waits");
    const [best] = answers;
    const answer = element.querySelector(".answer");
    answer.textContent = best.answer.trim() || "No answer";
    answer.lang = language(best.answer);
    answer.dataset.score = score(best.score);
    if (best.answer.trim()) element.querySelector(".excerpt").replaceChildren(...excerpt(context, places[0]));
    element.querySelector(".facts").textContent =
      `score ${score(best.score)} · characters ${best.start}–${best.end} · ${milliseconds} ms`;
    element.scrollIntoView({ block: "nearest" });
    return answer;
  }

  failed(element, message, retry) {
    element.classList.remove("waits");
    element.classList.add("failed");
    const facts = element.querySelector(".facts");
    facts.textContent = message;
    const again = document.createElement("button");
    again.type = "button";
    again.className = "retry quiet";
    again.textContent = "Ask again";
    again.addEventListener("click", retry);
    facts.after(again);
    element.scrollIntoView({ block: "nearest" });
  }
}

function excerpt(context, place) {
  const { before, after } = surroundings(context, place, AROUND);
  const span = document.createElement("span");
  span.lang = language(context);
  const mark = document.createElement("mark");
  mark.textContent = context.slice(place.from, place.to);
  span.append(before, mark, after);
  return [span];
}
