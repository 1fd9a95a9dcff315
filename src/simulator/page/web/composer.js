// Where one types: messages, slash commands with their usage hint, mentions, emoji.

import { announce, el, iconButton, menu, newId, notice } from "./dom.js";
import { icon } from "./icons.js";
import { EMOJI, emoji } from "./emoji.js";
import { pickEmoji } from "./messages.js";
import { act } from "./server.js";
import { store } from "./store.js";

export class Composer {
  /** `place` gives {channel, thread_ts}; `said` is called with what Slack says when something went wrong. */
  constructor({ place, said, label }) {
    Object.assign(this, { place, said, options: [], active: -1 });
    const listId = newId("offers");
    this.hint = el("div", { class: "usage", id: newId("usage"), hidden: true });
    this.list = el("ul", { class: "offers", role: "listbox", id: listId, hidden: true, "aria-label": "Suggestions" });
    this.field = el("textarea", {
      class: "composer-field",
      rows: 1,
      "aria-label": label,
      // A field of several lines may not be a combobox; as a text box it points at the list all the same.
      "aria-autocomplete": "list",
      "aria-controls": listId,
      "aria-describedby": this.hint.id,
      enterkeyhint: "send",
    });
    this.send = iconButton("send", "Send", () => this.submit(), { class: "icon-button send" });
    const shortcuts = iconButton("bolt", "Shortcuts", () => this.shortcuts(shortcuts));
    shortcuts.setAttribute("aria-haspopup", "menu");
    const smile = iconButton("smile", "Emoji", () => pickEmoji(smile, (name) => this.insert(`:${name}:`)));
    const tools = el("div", { class: "composer-tools" }, shortcuts, smile, el("span", { class: "composer-keys", "aria-hidden": "true" }, "Shift + Enter for a new line"), this.send);
    this.box = el("div", { class: "composer-box" }, this.field, tools);
    this.node = el("div", { class: "composer" }, this.list, this.hint, this.box);
    this.field.addEventListener("input", () => this.typed());
    this.field.addEventListener("keydown", (event) => this.key(event));
    this.field.addEventListener("blur", () => this.offer([]));
    this.field.addEventListener("click", () => this.typed());
  }

  placeholder(words) {
    this.field.placeholder = words;
  }

  focus() {
    this.field.focus({ preventScroll: true });
  }

  get text() {
    return this.field.value;
  }

  set text(words) {
    this.field.value = words;
    this.typed();
  }

  insert(words) {
    const { selectionStart: from, selectionEnd: to, value } = this.field;
    this.field.value = value.slice(0, from) + words + value.slice(to);
    this.field.selectionStart = this.field.selectionEnd = from + words.length;
    this.focus();
    this.typed();
  }

  // --- what is offered while one types

  typed() {
    this.field.style.height = "auto";
    this.field.style.height = `${Math.min(this.field.scrollHeight, 240)}px`;
    this.send.classList.toggle("ready", this.text.trim() !== "");
    this.usage();
    const before = this.text.slice(0, this.field.selectionStart);
    const slash = before.match(/^\/[\w-]*$/);
    const word = before.match(/(?:^|\s)([@#:][\w+'-]*)$/)?.[1];
    if (slash) return this.offer(this.commands(slash[0]), slash[0]);
    if (word?.startsWith("@")) return this.offer(this.names(word.slice(1)), word);
    if (word?.startsWith("#")) return this.offer(this.channels(word.slice(1)), word);
    if (word?.startsWith(":") && word.length > 2) return this.offer(this.emoji(word.slice(1)), word);
    this.offer([]);
  }

  /** The hint of the command that is being typed. */
  usage() {
    const [command] = this.text.split(/\s/, 1);
    const known = /\s/.test(this.text) && store.app.commands.find((other) => other.command === command);
    this.hint.hidden = !known;
    if (known) {
      this.hint.replaceChildren(el("strong", {}, known.command), ` ${known.usage_hint}`, el("span", { class: "muted" }, ` — ${known.description}`));
    }
  }

  commands(typed) {
    return store.app.commands
      .filter((known) => known.command.startsWith(typed))
      .map((known) => ({ put: `${known.command} `, words: [el("strong", {}, known.command), " ", el("span", { class: "muted" }, known.usage_hint)], about: known.description }));
  }

  names(typed) {
    const low = typed.toLowerCase();
    const people = [...store.people.values()]
      .filter((person) => !person.deleted && person.id !== "USLACKBOT")
      .filter((person) => person.name.startsWith(low) || person.real_name.toLowerCase().startsWith(low))
      .map((person) => ({ put: `@${person.name} `, words: [el("strong", {}, person.real_name), ` @${person.name}`], about: person.title }));
    const groups = [...store.groups.values()]
      .filter((group) => group.handle.startsWith(low))
      .map((group) => ({ put: `@${group.handle} `, words: [el("strong", {}, `@${group.handle}`)], about: "User group" }));
    const all = ["here", "channel"].filter((word) => word.startsWith(low)).map((word) => ({ put: `@${word} `, words: [`@${word}`], about: "Everybody in the channel" }));
    return [...people, ...groups, ...all].slice(0, 8);
  }

  channels(typed) {
    return [...store.channels.values()]
      .filter((channel) => channel.name && ["public", "private"].includes(channel.kind) && channel.name.startsWith(typed.toLowerCase()))
      .slice(0, 8)
      .map((channel) => ({ put: `#${channel.name} `, words: [`#${channel.name}`], about: channel.topic }));
  }

  emoji(typed) {
    return [...EMOJI.keys()]
      .filter((name) => name.startsWith(typed))
      .slice(0, 8)
      .map((name) => ({ put: `:${name}: `, words: [emoji(name), ` :${name}:`] }));
  }

  offer(options, typed = "") {
    Object.assign(this, { options, replaced: typed.length });
    // A text box cannot say that its list is open.
    if (options.length && options.length !== this.list.children.length) announce(options.length === 1 ? "1 suggestion" : `${options.length} suggestions`);
    this.list.hidden = options.length === 0;
    this.list.replaceChildren(
      ...options.map((option) =>
        el(
          "li",
          { role: "option", id: newId("offer"), "aria-selected": "false", onpointerdown: (event) => (event.preventDefault(), this.take(option)) },
          el("span", {}, option.words),
          option.about ? el("small", { class: "muted" }, option.about) : null,
        ),
      ),
    );
    this.mark(options.length ? 0 : -1);
  }

  mark(place) {
    this.active = place;
    this.field.removeAttribute("aria-activedescendant");
    [...this.list.children].forEach((item, at) => {
      item.setAttribute("aria-selected", String(at === place));
      if (at === place) this.field.setAttribute("aria-activedescendant", item.id);
    });
  }

  take(option) {
    const end = this.field.selectionStart;
    const start = end - this.replaced;
    this.field.setSelectionRange(start, end);
    this.insert(option.put);
    this.offer([]);
    this.usage();
  }

  // --- keys

  key(event) {
    if (event.isComposing) return;
    if (this.options.length) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      // Enter sends what is complete already.
      const complete = this.options[this.active]?.put.trim() === this.text.trim();
      if (step) {
        event.preventDefault();
        return this.mark((this.active + step + this.options.length) % this.options.length);
      }
      if (event.key === "Tab" || (event.key === "Enter" && !complete)) {
        event.preventDefault();
        return this.take(this.options[this.active]);
      }
      if (event.key === "Escape") {
        event.preventDefault();
        event.stopPropagation();
        return this.offer([]);
      }
    }
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.submit();
    }
  }

  // --- sending

  async submit() {
    const text = this.text.trim();
    if (!text) return;
    const { channel, thread_ts } = this.place();
    const [command] = text.split(/\s/, 1);
    const isCommand = text.startsWith("/");
    if (isCommand && thread_ts) return this.said(`${command} is not supported in threads. Sorry!`);
    if (isCommand && !store.app.commands.some((known) => known.command === command)) {
      return this.said(`${command} is not a valid command.`);
    }
    this.text = "";
    this.offer([]);
    this.node.setAttribute("aria-busy", "true");
    try {
      const answer = await act("type", { channel, thread_ts, text });
      if (answer.trouble) this.said(answer.trouble);
    } catch (why) {
      this.said(why.message);
      if (!this.text) this.text = text;
    } finally {
      this.node.removeAttribute("aria-busy");
    }
  }

  shortcuts(anchor) {
    const shortcuts = store.app.shortcuts
      .filter((known) => known.kind === "global")
      .map((known) => ({
        label: known.name,
        about: store.app.name,
        icon: "bolt",
        run: async () => {
          try {
            const answer = await act("shortcut", { callback_id: known.callback_id });
            if (answer.trouble) this.said(answer.trouble);
          } catch (why) {
            notice(why.message);
          }
        },
      }));
    const commands = store.app.commands.map((known) => ({
      label: known.command,
      about: known.description,
      icon: "slash",
      run: () => {
        this.text = `${known.command} `;
        this.focus();
        this.field.selectionStart = this.field.selectionEnd = this.text.length;
        this.typed();
      },
    }));
    const items = [...shortcuts, ...(shortcuts.length && commands.length ? [null] : []), ...commands];
    if (items.length) menu(anchor, "Shortcuts", items);
  }
}

/** What stands in the composer's place where one cannot write. */
export const bar = (words, button) => el("div", { class: "composer-bar" }, icon("lock"), el("span", {}, words), button);
