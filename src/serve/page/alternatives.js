// The alternatives to an answer, in a small menu beside whatever shows the answer: on hover, on keyboard focus, on tap.

import { language, score } from "./text.js";

const HOVER_MS = 90;
const LEAVE_MS = 220;

export class Alternatives {
  #menu;
  #preview;
  #choose;
  #trigger = null;
  #turn = null;
  #timer = 0;

  /// `preview(turn, rank)` is called while an answer is looked at (null: none), `choose(turn, rank)` when it is taken.
  constructor(menu, { preview, choose }) {
    this.#menu = menu;
    this.#preview = preview;
    this.#choose = choose;
    menu.addEventListener("pointerenter", () => clearTimeout(this.#timer));
    menu.addEventListener("pointerleave", () => this.#later(() => this.hide(), LEAVE_MS));
    menu.addEventListener("keydown", (event) => this.#onMenuKey(event));
    menu.addEventListener("focusout", ({ relatedTarget }) => {
      if (!menu.contains(relatedTarget) && relatedTarget !== this.#trigger) this.hide();
    });
    document.addEventListener("pointerdown", ({ target }) => {
      if (!menu.contains(target) && !this.#trigger?.contains(target)) this.hide();
    });
    addEventListener("resize", () => this.hide());
    // Of whatever scrolls: the menu would stay where its trigger was.
    document.addEventListener("scroll", ({ target }) => menu.contains(target) || this.#place(), { capture: true });
  }

  /// Makes `trigger` show the alternatives of `turn`.
  attach(trigger, turn) {
    trigger.addEventListener("pointerenter", ({ pointerType }) => {
      if (pointerType !== "touch") this.#later(() => this.#show(trigger, turn), HOVER_MS);
    });
    trigger.addEventListener("pointerleave", () => this.#later(() => this.hide(), LEAVE_MS));
    trigger.addEventListener("focus", () => trigger.matches(":focus-visible") && this.#show(trigger, turn));
    trigger.addEventListener("blur", ({ relatedTarget }) => this.#menu.contains(relatedTarget) || this.hide());
    trigger.addEventListener("click", () => this.#show(trigger, turn));
    trigger.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.hide();
      else if (event.key === "ArrowDown" || event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        this.#show(trigger, turn);
        this.#menu.querySelector("button")?.focus();
      }
    });
  }

  hide() {
    clearTimeout(this.#timer);
    if (this.#trigger === null) return;
    this.#trigger.ariaExpanded = "false";
    this.#trigger = null;
    this.#menu.hidePopover();
    this.#preview(this.#turn, null);
  }

  #later(action, milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(action, milliseconds);
  }

  #show(trigger, turn) {
    clearTimeout(this.#timer);
    if (this.#trigger === trigger) return;
    this.hide();
    this.#trigger = trigger;
    this.#turn = turn;
    trigger.ariaExpanded = "true";
    this.#menu.replaceChildren(...turn.answers.map((answer, rank) => this.#item(answer, rank)));
    this.#menu.showPopover();
    this.#place();
  }

  #item({ answer, score: probability }, rank) {
    const item = document.createElement("button");
    item.type = "button";
    item.role = "menuitem";
    item.tabIndex = -1;
    item.className = "alternative";
    const text = document.createElement("span");
    text.className = "alternative-text";
    text.textContent = answer.trim() || "No answer";
    text.lang = language(answer);
    const number = document.createElement("span");
    number.className = "alternative-score";
    number.textContent = score(probability);
    const meter = document.createElement("span");
    meter.className = "alternative-meter";
    meter.style.setProperty("--share", Math.min(1, probability));
    item.append(text, number, meter);
    const look = () => this.#preview(this.#turn, rank);
    item.addEventListener("pointerenter", look);
    item.addEventListener("focus", look);
    item.addEventListener("click", () => {
      const [trigger, turn] = [this.#trigger, this.#turn];
      this.hide();
      trigger?.focus({ focusVisible: false });
      this.#choose(turn, rank);
    });
    return item;
  }

  #onMenuKey(event) {
    const items = [...this.#menu.querySelectorAll("button")];
    const at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      items[(to + items.length) % items.length].focus();
    } else if (event.key === "Escape") {
      event.preventDefault();
      const trigger = this.#trigger;
      this.hide();
      trigger?.focus({ focusVisible: false });
    } else if (event.key === "Tab") {
      // From where the menu came, so that Tab goes on from there.
      this.#trigger?.focus();
    }
  }

  /// Below the trigger, or above it where there is no room.
  #place() {
    if (this.#trigger === null) return;
    const rects = this.#trigger.getClientRects();
    // Of a mark over several lines, the first.
    const [rect] = rects;
    if (!rect || !this.#trigger.checkVisibility()) return this.hide();
    const { offsetWidth: width, offsetHeight: height } = this.#menu;
    const { clientWidth, clientHeight } = document.documentElement;
    const last = rects[rects.length - 1];
    const below = last.bottom + 6 + height <= clientHeight;
    this.#menu.style.left = `${Math.max(8, Math.min(rect.left, clientWidth - width - 8))}px`;
    this.#menu.style.top = `${below ? last.bottom + 6 : Math.max(8, rect.top - height - 6)}px`;
  }
}
