// Modals, and the home tab: views that an app opened, which people fill in.

import { announce, el, iconButton } from "./dom.js";
import { icon } from "./icons.js";
import { blocksOf } from "./blocks.js";
import { showError } from "./elements.js";
import { avatar } from "./messages.js";
import { act } from "./server.js";
import { store } from "./store.js";

const REACHABLE = 'a[href], button, input, select, textarea, [tabindex="0"]';

/** Where the focus is within this node, so that it is found again when the inside was drawn anew. */
function focusIn(node) {
  const active = document.activeElement;
  const part = active?.closest("[data-block], .modal-head, .modal-foot");
  if (!part || !node.contains(part)) return null;
  const { block } = part.dataset;
  const at = [...part.querySelectorAll(REACHABLE)].indexOf(active);
  return () => {
    const again = block === undefined ? part : node.querySelector(`[data-block="${CSS.escape(block)}"]`);
    return again?.querySelectorAll(REACHABLE)[at];
  };
}

/** The blocks of a view with everything that a person may have typed into them. */
class Form {
  constructor(view, kept, trouble) {
    Object.assign(this, { view, trouble });
    this.inputs = new Map();
    this.nodes = blocksOf(view.blocks, {
      values: view.values,
      inputs: this.inputs,
      kept,
      act: (filled) => this.act(filled),
      suggest: async (filled, text) => (await act("suggest", { view: view.id, element: filled, text })).options,
    });
  }

  /** What stands in the inputs now. */
  filled(fits = () => true) {
    return [...this.inputs.values()].filter(fits).map((made) => made.filled());
  }

  /** What would be lost if the view were drawn anew. */
  kept() {
    return new Map([...this.inputs].map(([key, made]) => [key, made.filled()]));
  }

  async act(element) {
    this.trouble(null);
    // An input that breaks a rule of its own is not the affair of a click elsewhere.
    const inputs = this.filled((made) => made.inInput && !made.fault());
    try {
      const answer = await act("act", { view: this.view.id, element, inputs });
      if (answer.trouble) this.trouble(answer.trouble);
    } catch (why) {
      this.trouble(why.message);
    }
  }

  /** Shows errors by block; says whether there were any. */
  errors(byBlock) {
    let first = null;
    for (const made of this.inputs.values()) {
      const words = byBlock[made.block.block_id];
      showError(made, words ?? null);
      if (words && !first) first = made;
    }
    first?.focus();
    return first !== null;
  }
}

/** The one modal before us. */
export class Modal {
  constructor() {
    this.title = el("h1", { id: "modal-title", tabindex: "-1" });
    this.body = el("div", { class: "modal-body" });
    this.trouble = el("div", { class: "modal-trouble", role: "alert", hidden: true });
    this.foot = el("div", { class: "modal-foot" });
    this.head = el("div", { class: "modal-head" });
    this.form = el("form", { class: "modal-form", novalidate: true }, this.head, this.body, this.trouble, this.foot);
    // What stands behind an open dialog is not heard: it has a place of its own for what is said aloud.
    const said = el("div", { class: "unseen", role: "status" });
    this.node = el("dialog", { class: "modal", "aria-labelledby": "modal-title" }, this.form, said);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.node.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.close();
    });
    this.node.addEventListener("click", (event) => this.leads(event));
    document.body.append(this.node);
    this.view = null;
  }

  /** A link to a place behind the modal: it is followed once the modal is gone. */
  leads(event) {
    const place = event.target.closest('a[href^="#"]')?.getAttribute("href");
    if (!place || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    // In a composer a click on a link places the caret.
    if (event.target.closest('[role="textbox"]')) return;
    this.place = place;
    this.close(true);
  }

  /** Shows this view; null closes. */
  show(view) {
    if (!view) {
      const { place } = this;
      Object.assign(this, { view: null, place: null, submitted: false });
      if (this.node.open) this.node.close();
      if (place) location.hash = place;
      return;
    }
    if (this.view?.id === view.id && this.view.hash === view.hash) {
      this.view = view;
      return;
    }
    const isSame = this.view?.id === view.id;
    const kept = isSame ? this.blocks.kept() : undefined;
    // What takes the place of a form that was sent is something else to its reader, though it has the same id.
    const isNext = !isSame || this.submitted;
    const focused = isNext ? null : focusIn(this.node);
    const top = isNext ? 0 : this.body.scrollTop;
    const wasOpen = this.node.open;
    Object.assign(this, { view, submitted: false });
    this.say(null);
    this.blocks = new Form(view, kept, (words) => this.say(words));
    this.title.textContent = view.title ?? "";
    this.head.replaceChildren(
      avatar(store.app.user, "small"),
      this.title,
      iconButton("cross", "Close", () => this.close(true)),
    );
    this.body.replaceChildren(...this.blocks.nodes);
    if (this.body.querySelector("input, select, textarea, button, a")) this.body.removeAttribute("tabindex");
    else this.body.tabIndex = 0;
    const cancel = el("button", { type: "button", class: "button", onclick: () => this.close() }, view.close ?? (view.depth > 1 ? "Back" : view.submit ? "Cancel" : "Close"));
    this.go = view.submit ? el("button", { type: "submit", class: "button primary" }, view.submit) : null;
    this.foot.replaceChildren(cancel, ...(this.go ? [this.go] : []));
    if (!this.node.open) this.node.showModal();
    this.body.scrollTop = top;
    if (isNext) this.begin(wasOpen);
    else if (focused) (focused() ?? this.title).focus();
  }

  /** Takes the reader to the beginning of a view that is new to them. */
  begin(wasOpen) {
    const first = this.body.querySelector("[data-first]") ?? this.body.querySelector('input, select, textarea, [role="textbox"]');
    (first ?? this.title).focus();
    // The name of a dialog is said when it opens, and not again when it changes.
    if (wasOpen) announce([this.title.textContent, first ? "" : this.body.innerText.slice(0, 300)].filter(Boolean).join(": "));
  }

  say(words) {
    this.trouble.hidden = !words;
    this.trouble.replaceChildren(...(words ? [icon("warning"), el("span", {}, words)] : []));
  }

  async submit() {
    if (!this.view?.submit || this.busy) return;
    const faults = {};
    for (const made of this.blocks.inputs.values()) {
      const fault = made.fault();
      if (fault) faults[made.block.block_id] = fault;
    }
    if (this.blocks.errors(faults)) return;
    this.busy = true;
    this.submitted = true;
    this.go?.setAttribute("aria-busy", "true");
    this.say(null);
    const { blocks, view } = this;
    try {
      const answer = await act("submit", { view: view.id, inputs: blocks.filled() });
      if (this.view?.id !== view.id) return;
      if (this.blocks.errors(answer.errors) || answer.trouble) this.submitted = false;
      if (answer.trouble) this.say(answer.trouble);
    } catch (why) {
      this.submitted = false;
      this.say(why.message);
    } finally {
      this.busy = false;
      this.go?.removeAttribute("aria-busy");
    }
  }

  async close(all = false) {
    if (!this.view) return;
    try {
      await act("close", { view: this.view.id, all });
    } catch (why) {
      this.place = null;
      this.say(why.message);
    }
  }
}

/** The app's home tab. */
export class Home {
  constructor() {
    this.node = el("div", { class: "home", role: "region", "aria-label": "Home", tabindex: "0" });
  }

  show(view) {
    if (!view) {
      this.form = null;
      this.node.replaceChildren(
        el("div", { class: "nothing" }, avatar(store.app.user), el("h2", {}, store.app.name), el("p", { class: "muted" }, `${store.app.name} shows nothing here yet.`)),
      );
      return;
    }
    const kept = this.form?.view.id === view.id ? this.form.kept() : undefined;
    const focused = focusIn(this.node);
    this.form = new Form(view, kept, (words) => this.say(words));
    this.trouble = el("div", { class: "modal-trouble", role: "alert", hidden: true });
    this.node.replaceChildren(el("div", { class: "home-inner" }, this.form.nodes, this.trouble));
    if (focused) (focused() ?? this.node).focus();
  }

  say(words) {
    this.trouble.hidden = !words;
    this.trouble.replaceChildren(...(words ? [icon("warning"), el("span", {}, words)] : []));
  }
}
