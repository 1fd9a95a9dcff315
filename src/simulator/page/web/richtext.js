// Rich text: how it is shown, and the composer in which people write it.

import { announce, closeFloating, el, float, iconButton } from "./dom.js";
import { EMOJI } from "./emoji.js";
import { channelLink, dateNode, emojiNode, linkTo, mentionOf, safeAddress } from "./mrkdwn.js";
import { store } from "./store.js";

/** A section, a list, a quote or a block of code. */
export function richPart(part) {
  const inside = () => part.elements.map(richInline);
  switch (part.type) {
    case "rich_text_section":
      return el("div", { class: "rich-section" }, inside());
    case "rich_text_quote":
      return el("blockquote", {}, inside());
    case "rich_text_preformatted":
      return el("pre", {}, inside());
    case "rich_text_list": {
      const items = part.elements.map((item) => el("li", {}, item.elements.map(richInline)));
      const list = el(part.style === "ordered" ? "ol" : "ul", { class: `indent-${part.indent ?? 0}` }, items);
      if (part.offset) list.setAttribute("start", part.offset + 1);
      return list;
    }
    default:
      return el("div", {});
  }
}

export function richInline(part) {
  const style = part.style ?? {};
  let node;
  switch (part.type) {
    case "text":
      node = document.createTextNode(part.text);
      break;
    case "link":
      node = linkTo(part.url, part.text || part.url);
      break;
    case "emoji":
      node = emojiNode(part.name);
      break;
    case "user":
      node = mentionOf(part.user_id);
      break;
    case "usergroup":
      node = el("span", { class: "mention" }, `@${store.groups.get(part.usergroup_id)?.handle ?? part.usergroup_id}`);
      break;
    case "channel":
      node = channelLink(part.channel_id);
      break;
    case "broadcast":
      node = el("span", { class: "mention mine" }, `@${part.range}`);
      break;
    case "date":
      node = dateNode(part.timestamp, part.format ?? "{date}", part.url, part.fallback);
      break;
    case "color":
      node = document.createTextNode(part.value);
      break;
    default:
      node = document.createTextNode("");
  }
  if (style.code) node = el("code", {}, node);
  if (style.bold) node = el("strong", {}, node);
  if (style.italic) node = el("em", {}, node);
  if (style.strike) node = el("del", {}, node);
  return node;
}

// --- what stands in a composer ------------------------------------------------------------------------

const STYLES = { B: "bold", STRONG: "bold", I: "italic", EM: "italic", S: "strike", STRIKE: "strike", DEL: "strike", CODE: "code" };
/** Keeps the caret inside of an empty mark; it is no part of the text. */
const NOTHING = "\u200b";

const sameStyle = (a, b) => a?.type === "text" && b.type === "text" && JSON.stringify(a.style) === JSON.stringify(b.style);

function push(into, part) {
  const last = into.at(-1);
  if (sameStyle(last, part)) last.text += part.text;
  else into.push(part);
}

/** The words of a text node; known emoji names become emoji, but for those in code. */
function readWords(words, style, into) {
  const styled = Object.keys(style).length ? { style } : {};
  const text = (part) => part && push(into, { type: "text", text: part, ...styled });
  let from = 0;
  for (const found of style.code ? [] : words.matchAll(/:([a-z0-9_+'-]+):/g)) {
    if (!EMOJI.has(found[1])) continue;
    text(words.slice(from, found.index));
    push(into, { type: "emoji", name: found[1], ...styled });
    from = found.index + found[0].length;
  }
  text(words.slice(from));
}

function readInline(node, style, into) {
  if (node.nodeType === Node.TEXT_NODE) return readWords(node.data.replaceAll(NOTHING, "").replaceAll("\u00a0", " "), style, into);
  if (node.dataset?.part) return push(into, JSON.parse(node.dataset.part));
  if (node.tagName === "BR") return push(into, { type: "text", text: "\n" });
  if (node.tagName === "A") {
    const styled = Object.keys(style).length ? { style } : {};
    const text = node.textContent.replaceAll(NOTHING, "");
    return text && push(into, { type: "link", url: node.getAttribute("href"), text, ...styled });
  }
  const own = STYLES[node.tagName];
  for (const child of node.childNodes) readInline(child, own ? { ...style, [own]: true } : style, into);
}

const BLOCKS = new Set(["DIV", "P", "UL", "OL", "BLOCKQUOTE", "PRE", "LI"]);
const isBlock = (node) => BLOCKS.has(node.tagName);

/** Without line breaks at its end. A break between two texts of one style is part of them. */
function trimmed(inline) {
  const joined = [];
  for (const part of inline) {
    const [before, last] = joined.slice(-2);
    if (last?.text === "\n" && sameStyle(before, part)) before.text += joined.pop().text + part.text;
    else joined.push(part);
  }
  const last = joined.at(-1);
  if (last?.type !== "text") return joined;
  last.text = last.text.replace(/\n+$/, "");
  return last.text ? joined : trimmed(joined.slice(0, -1));
}

/** The lines of a node, one below the other; `broken` takes what may not stand among them. */
function readLines(node, inline, broken) {
  const atStart = () => !inline.length || inline.at(-1).text?.endsWith("\n");
  for (const child of node.childNodes) {
    if (!isBlock(child)) {
      // A line break that only keeps an empty line open is that line.
      readInline(child, {}, inline);
    } else if (["DIV", "P"].includes(child.tagName)) {
      if (!atStart()) push(inline, { type: "text", text: "\n" });
      readLines(child, inline, broken);
      if (!atStart()) push(inline, { type: "text", text: "\n" });
    } else {
      broken(child);
    }
  }
}

function readList(node, indent, into) {
  const style = node.tagName === "OL" ? "ordered" : "bullet";
  let items = [];
  const flush = () => {
    if (items.length) into.push({ type: "rich_text_list", style, indent, elements: items });
    items = [];
  };
  for (const item of node.children) {
    if (["UL", "OL"].includes(item.tagName)) {
      flush();
      readList(item, indent + 1, into);
      continue;
    }
    const inline = [];
    const inner = [];
    readLines(item, inline, (child) => inner.push(child));
    items.push({ type: "rich_text_section", elements: trimmed(inline) });
    for (const child of inner.filter(({ tagName }) => ["UL", "OL"].includes(tagName))) {
      flush();
      readList(child, indent + 1, into);
    }
  }
  flush();
}

/** The rich text that stands in a composer; nothing if it is empty. */
function read(field) {
  const elements = [];
  let inline = [];
  const flush = () => {
    const whole = trimmed(inline);
    if (whole.length) elements.push({ type: "rich_text_section", elements: whole });
    inline = [];
  };
  const broken = (child) => {
    flush();
    if (child.tagName === "PRE") {
      const text = child.innerText.replaceAll(NOTHING, "").replace(/\n$/, "");
      if (text) elements.push({ type: "rich_text_preformatted", elements: [{ type: "text", text }] });
    } else if (child.tagName === "BLOCKQUOTE") {
      const quoted = [];
      readLines(child, quoted, (inside) => readInline(inside, {}, quoted));
      const whole = trimmed(quoted);
      if (whole.length) elements.push({ type: "rich_text_quote", elements: whole });
    } else {
      readList(child, Number(child.dataset.indent ?? 0), elements);
    }
  };
  readLines(field, inline, broken);
  flush();
  const hasWords = elements.some((part) => part.type !== "rich_text_list" || part.elements.some((item) => item.elements.length));
  return hasWords ? { type: "rich_text", elements } : null;
}

/** What is not text or a link stays whole: it can be deleted and not changed. */
function editable(part) {
  if (part.type === "link" && safeAddress(part.url)) return el("a", { href: part.url }, part.text || part.url);
  if (part.type === "text") return richInline(part);
  return el("span", { contenteditable: "false", "data-part": JSON.stringify(part) }, richInline(part));
}

/** The lines of a section as the browser itself would make them. */
function editableLines(inline) {
  const lines = [[]];
  for (const part of inline) {
    if (part.type !== "text") {
      lines.at(-1).push(part);
      continue;
    }
    part.text.split("\n").forEach((text, at) => {
      if (at) lines.push([]);
      if (text) lines.at(-1).push({ ...part, text });
    });
  }
  return lines.map((line) => el("div", {}, line.length ? line.map(editable) : el("br")));
}

function write(value) {
  return (value?.elements ?? []).flatMap((part) => {
    switch (part.type) {
      case "rich_text_list": {
        const items = part.elements.map((item) => el("li", {}, item.elements.map(editable)));
        return el(part.style === "ordered" ? "ol" : "ul", { "data-indent": part.indent ?? 0, class: `indent-${part.indent ?? 0}` }, items);
      }
      case "rich_text_quote":
        return el("blockquote", {}, editableLines(part.elements));
      case "rich_text_preformatted":
        return el("pre", {}, part.elements.map(({ text }) => text));
      default:
        return editableLines(part.elements);
    }
  });
}

// --- the composer -------------------------------------------------------------------------------------

/** Name, picture, and the keys that Slack has for it. */
const TOOLS = [
  ["bold", "Bold", { key: "KeyB" }],
  ["italic", "Italic", { key: "KeyI" }],
  ["strike", "Strikethrough", { key: "KeyX", shift: true }],
  ["code", "Code", { key: "KeyC", shift: true }],
  ["link", "Link", { key: "KeyU", shift: true }],
  ["numbers", "Ordered list", { key: "Digit7", shift: true }],
  ["bullets", "Bulleted list", { key: "Digit8", shift: true }],
  ["quote", "Quote", { key: "Digit9", shift: true }],
  ["block", "Code block", { key: "KeyC", shift: true, alt: true }],
];

/** A field of rich text with its buttons. `changed` is called when something else stands in it. */
export class RichField {
  constructor({ value, placeholder, names, changed }) {
    Object.assign(this, { changed, initial: value ?? null, isTouched: false });
    this.field = el("div", {
      class: "field-control rich-field text",
      contenteditable: "true",
      role: "textbox",
      tabindex: "0",
      "aria-multiline": "true",
      "aria-placeholder": placeholder,
      "data-placeholder": placeholder ?? "",
      ...names,
    });
    this.buttons = new Map(TOOLS.map(([name, label], at) => [name, this.button(name, label, at === 0)]));
    this.tools = el("div", { class: "rich-tools", role: "toolbar", "aria-label": "Formatting" }, [...this.buttons.values()]);
    this.tools.addEventListener("keydown", (event) => this.walk(event));
    this.node = el("div", { class: "rich" }, this.tools, this.field);
    this.field.replaceChildren(...write(value));
    this.field.addEventListener("input", (event) => {
      if (event.inputType === "insertParagraph") this.freshLine();
      this.touched();
    });
    this.field.addEventListener("keydown", (event) => this.key(event));
    this.field.addEventListener("keyup", () => this.mark());
    this.field.addEventListener("mouseup", () => this.mark());
    this.field.addEventListener("focus", () => document.execCommand("styleWithCSS", false, false));
    // What is pasted or dropped is words and nothing else.
    this.field.addEventListener("paste", (event) => this.takes(event, event.clipboardData));
    this.field.addEventListener("drop", (event) => this.takes(event, event.dataTransfer));
    this.blank();
  }

  /** What nobody touched is as the app gave it. */
  get value() {
    return this.isTouched ? read(this.field) : this.initial;
  }

  focus() {
    this.field.focus();
    getSelection().selectAllChildren(this.field);
    getSelection().collapseToEnd();
  }

  touched() {
    // An emptied field keeps the last mark in some browsers.
    if (!this.field.textContent && !this.field.querySelector("li, blockquote, pre")) this.field.replaceChildren();
    this.isTouched = true;
    this.blank();
    this.mark();
    this.changed();
  }

  /** A new line begins without the marks of the one before, which browsers undo by styles of their own. */
  freshLine() {
    const line = this.around("div, li");
    if (!line || line.textContent) return;
    line.replaceChildren(el("br"));
    getSelection().collapse(line, 0);
  }

  blank() {
    this.field.classList.toggle("blank", !this.field.textContent && !this.field.querySelector("li, blockquote, pre, [data-part]"));
  }

  takes(event, from) {
    event.preventDefault();
    document.execCommand("insertText", false, from?.getData("text/plain") ?? "");
  }

  // --- the buttons

  button(name, label, first) {
    const more = { "aria-pressed": "false", tabindex: first ? "0" : "-1", onpointerdown: (event) => event.preventDefault() };
    return iconButton(name, label, () => this.does(name), more);
  }

  /** One of the buttons is reached by Tab, the others from there by arrows. */
  walk(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const all = [...this.buttons.values()];
    const at = all.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    const next = all[(at + step + all.length) % all.length];
    for (const button of all) button.tabIndex = button === next ? 0 : -1;
    next.focus();
  }

  key(event) {
    const control = event.ctrlKey || event.metaKey;
    if (!control) return;
    const fits = ([, , keys]) => keys.key === event.code && Boolean(keys.shift) === event.shiftKey && Boolean(keys.alt) === event.altKey;
    const tool = TOOLS.find(fits);
    if (!tool && event.code !== "KeyU") return;
    event.preventDefault();
    event.stopPropagation();
    if (tool) this.does(tool[0]);
  }

  /** Where the caret or the selection is, if it is in the field. */
  get range() {
    const selection = getSelection();
    const range = selection.rangeCount ? selection.getRangeAt(0) : null;
    return range && this.field.contains(range.commonAncestorContainer) ? range : null;
  }

  around(names) {
    const node = this.range?.startContainer;
    const found = (node?.nodeType === Node.TEXT_NODE ? node.parentNode : node)?.closest?.(names);
    return found && this.field.contains(found) && found !== this.field ? found : null;
  }

  does(name) {
    if (!this.range) this.focus();
    const block = (tag) => document.execCommand("formatBlock", false, this.around(tag) ? "div" : tag);
    const command = { bold: "bold", italic: "italic", strike: "strikeThrough", numbers: "insertOrderedList", bullets: "insertUnorderedList" }[name];
    if (command) document.execCommand(command);
    else if (name === "code") this.code();
    else if (name === "quote") block("blockquote");
    else if (name === "block") block("pre");
    else return this.link();
    this.touched();
    // To those who do not see the button: by keys it is not heard.
    const [, label] = TOOLS.find(([known]) => known === name);
    if (document.activeElement === this.field) announce(`${label} ${this.isOn(name) ? "on" : "off"}`);
  }

  /** Browsers have no command for code. */
  code() {
    const { range } = this;
    const inside = this.around("code");
    const selection = getSelection();
    if (inside && range.collapsed) {
      const after = document.createTextNode(NOTHING);
      inside.after(after);
      return selection.collapse(after, 1);
    }
    if (inside) return inside.replaceWith(...inside.childNodes);
    const code = el("code", {}, range.toString() || NOTHING);
    range.deleteContents();
    range.insertNode(code);
    selection.selectAllChildren(code);
    if (code.textContent === NOTHING) selection.collapseToEnd();
  }

  /** Asks for the address, beside the button. */
  link() {
    const range = this.range.cloneRange();
    const before = this.around("a");
    const anchor = this.buttons.get("link");
    const field = el("input", { class: "field-control", type: "url", "aria-label": "Address of the link", placeholder: "https://", value: before?.getAttribute("href") ?? "" });
    const error = el("div", { class: "input-error", role: "alert" });
    const save = () => {
      const address = safeAddress(field.value.trim());
      if (!address) return (error.textContent = "That is no address of a page.");
      closeFloating();
      if (before) before.setAttribute("href", address);
      else {
        const made = el("a", { href: address }, range.toString() || address);
        range.deleteContents();
        range.insertNode(made);
        getSelection().collapse(made, made.childNodes.length);
      }
      this.field.focus();
      getSelection().collapseToEnd();
      this.touched();
    };
    const box = el("div", { class: "floating link-box", role: "group", "aria-label": "Link" }, field, error, el("button", { type: "button", class: "button primary", onclick: save }, "Save"));
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      save();
    });
    if (float(anchor, box)) field.focus();
  }

  isOn(name) {
    const tag = { code: "code", link: "a", numbers: "ol", bullets: "ul", quote: "blockquote", block: "pre" }[name];
    if (tag) return Boolean(this.around(tag));
    return document.queryCommandState(name === "strike" ? "strikeThrough" : name);
  }

  /** Shows at the buttons what the caret stands in. */
  mark() {
    if (!this.range) return;
    for (const [name, button] of this.buttons) button.setAttribute("aria-pressed", String(this.isOn(name)));
  }
}
