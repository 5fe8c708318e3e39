// The context as it is read: the answer marked in its place, its alternatives underlined while they are looked at.

import { language, pieces, score } from "./text.js";

export class Passage {
  #element;
  #turn = null;
  #mark = null;

  constructor(element) {
    this.#element = element;
  }

  get turn() {
    return this.#turn;
  }

  /// Shows a turn's context, and gives the mark of its best answer; null where the best answer is "no answer".
  show(turn) {
    this.#turn = turn;
    this.#mark = null;
    const nodes = [];
    for (const { text, ranks } of pieces(turn.context, turn.places)) {
      const piece = document.createElement("span");
      piece.textContent = text;
      piece.dataset.ranks = ranks.join(" ");
      if (!ranks.includes(0)) {
        nodes.push(piece);
        continue;
      }
      if (this.#mark === null) {
        this.#mark = best(turn);
        nodes.push(this.#mark);
      }
      this.#mark.append(piece);
    }
    this.#element.replaceChildren(...nodes);
    this.#element.lang = language(turn.context);
    this.#scrollTo(this.#mark);
    return this.#mark;
  }

  /// Picks out the place of one answer, or of none.
  preview(rank) {
    for (const piece of this.#element.querySelectorAll("[data-ranks]")) {
      const ranks = piece.dataset.ranks ? piece.dataset.ranks.split(" ").map(Number) : [];
      piece.classList.toggle("preview", rank !== null && ranks.includes(rank));
    }
    if (rank !== null) this.#scrollTo(this.#element.querySelector(".preview"));
  }

  /// Scrolls the passage, and not the page below the reader's eyes.
  #scrollTo(node) {
    if (!node) return;
    const [outer, inner] = [this.#element.getBoundingClientRect(), node.getBoundingClientRect()];
    if (inner.top < outer.top || inner.bottom > outer.bottom) {
      this.#element.scrollTop += inner.top - outer.top - outer.height / 3;
    }
  }
}

function best(turn) {
  const mark = document.createElement("mark");
  mark.className = "best";
  mark.tabIndex = 0;
  mark.role = "button";
  mark.ariaHasPopup = "menu";
  mark.ariaExpanded = "false";
  const [{ answer, score: probability }] = turn.answers;
  mark.ariaLabel = `Answer: ${answer.trim()}, score ${score(probability)}`;
  mark.dataset.score = score(probability);
  return mark;
}
