// Making elements, and the small things that every part of the page needs: menus, dialogs, notices.
// Text always becomes a text node: nothing in this page ever reads HTML.

import { icon } from "./icons.js";

const PROPERTIES = new Set(["value", "checked", "disabled", "selected", "hidden", "htmlFor", "className", "tabIndex"]);

/** el("button", {class: "primary", onclick: save}, "Save") */
export function el(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on") && typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else if (PROPERTIES.has(name)) node[name] = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  append(node, children);
  return node;
}

export function append(node, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

let serial = 0;
/** An id that nothing else on the page has. */
export const newId = (prefix) => `${prefix}-${(serial += 1)}`;

/** A button that shows a picture and says a word. */
export function iconButton(name, label, onclick, more = {}) {
  return el("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...more }, icon(name));
}

/** Waits until nobody has called for `ms`, then does it once. */
export function settled(ms, act) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(...given), ms);
  };
}

// --- what is said aloud ---------------------------------------------------------------------------

/** Says something to those who listen instead of looking. */
export const announce = (words, region = document.querySelector("dialog[open] > [role=status]") ?? document.getElementById("said")) => {
  region.textContent = "";
  // Emptied first: the same words twice are news twice.
  requestAnimationFrame(() => (region.textContent = words));
};

/** A short notice at the foot of the page. */
export function notice(words) {
  const shown = el("div", { class: "notice", role: "alert" }, icon("warning"), el("span", {}, words));
  document.getElementById("notices").append(shown);
  setTimeout(() => shown.remove(), 8000);
}

// --- floating things ------------------------------------------------------------------------------

let floating = null;

/** Closes the menu or picker that is open. */
export function closeFloating(giveBackFocus = false) {
  if (!floating) return;
  const { node, anchor, onclose } = floating;
  floating = null;
  node.remove();
  anchor.setAttribute("aria-expanded", "false");
  onclose?.();
  if (giveBackFocus) anchor.focus();
}

export const isFloating = () => floating !== null;

/** Shows a node beside an anchor; a click elsewhere or Escape closes it. */
export function float(anchor, node, { onclose } = {}) {
  const again = floating?.anchor === anchor;
  closeFloating();
  if (again) return false;
  floating = { node, anchor, onclose };
  anchor.setAttribute("aria-expanded", "true");
  // Inside of a dialog everything else is out of reach, so it floats there; elsewhere it belongs to its landmark.
  (anchor.closest("dialog, main, aside, nav") ?? document.body).append(node);
  const at = anchor.getBoundingClientRect();
  const size = node.getBoundingClientRect();
  const below = at.bottom + 4 + size.height <= innerHeight;
  const top = below ? at.bottom + 4 : Math.max(8, at.top - size.height - 4);
  const left = Math.max(8, Math.min(at.left, innerWidth - size.width - 8));
  node.style.top = `${top}px`;
  node.style.left = `${left}px`;
  return true;
}

document.addEventListener("pointerdown", (event) => {
  if (floating && !floating.node.contains(event.target) && !floating.anchor.contains(event.target)) closeFloating();
});
document.addEventListener(
  "keydown",
  (event) => {
    if (event.key === "Escape" && floating) {
      event.preventDefault();
      event.stopPropagation();
      closeFloating(true);
    }
  },
  true,
);

/** A menu: items are {label, run, icon?, danger?, about?}; null is a line between. */
export function menu(anchor, label, items) {
  const buttons = [];
  const node = el("div", { class: "floating menu", role: "menu", "aria-label": label });
  for (const item of items) {
    if (!item) {
      node.append(el("div", { class: "menu-line", role: "separator" }));
      continue;
    }
    const button = el(
      "button",
      {
        type: "button",
        role: "menuitem",
        tabindex: "-1",
        class: item.danger ? "menu-item danger" : "menu-item",
        onclick: () => {
          closeFloating(true);
          item.run();
        },
      },
      item.icon ? icon(item.icon) : null,
      el("span", { class: "menu-words" }, el("span", {}, item.label), item.about ? el("small", {}, item.about) : null),
    );
    buttons.push(button);
    node.append(button);
  }
  node.addEventListener("keydown", (event) => {
    const place = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (event.key === "Tab") closeFloating(true);
    if (to === undefined) return;
    event.preventDefault();
    buttons[(to + buttons.length) % buttons.length].focus();
  });
  if (float(anchor, node)) buttons[0]?.focus();
}

/** A dialog of our own: Escape and the cross close it, the focus stays inside. */
export function dialog(title, body, { actions = [], wide = false, onclose } = {}) {
  const id = newId("dialog");
  const node = el(
    "dialog",
    { class: wide ? "box wide" : "box", "aria-labelledby": id },
    el(
      "div",
      { class: "box-head" },
      el("h2", { id }, title),
      iconButton("cross", "Close", () => node.close()),
    ),
    el("div", { class: "box-body", tabindex: "0" }, body),
    actions.length ? el("div", { class: "box-foot" }, actions) : null,
  );
  node.addEventListener("close", () => {
    node.remove();
    onclose?.();
  });
  document.body.append(node);
  node.showModal();
  return node;
}

/** Asks first: true when the person agrees. `asked` is a Block Kit confirm object. */
export function agrees(asked, render) {
  return new Promise((resolve) => {
    let answer = false;
    const choose = (value) => () => {
      answer = value;
      shown.close();
    };
    const style = asked.style === "danger" ? "button danger" : "button primary";
    const shown = dialog(asked.title?.text ?? "Are you sure?", el("div", { class: "text" }, render(asked.text)), {
      actions: [
        el("button", { type: "button", class: "button", onclick: choose(false) }, asked.deny?.text ?? "Cancel"),
        el("button", { type: "button", class: style, onclick: choose(true) }, asked.confirm?.text ?? "OK"),
      ],
      onclose: () => resolve(answer),
    });
    shown.querySelector(".box-foot button:last-child").focus();
  });
}
