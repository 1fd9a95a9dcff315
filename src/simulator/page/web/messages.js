// Messages: one of them, and a list of them that stays light however many there are.

import { append, announce, closeFloating, dialog, el, float, iconButton, menu, notice } from "./dom.js";
import { icon } from "./icons.js";
import { attachmentOf, blocksOf, markdown } from "./blocks.js";
import { emoji, EMOJI, FAVOURITES } from "./emoji.js";
import { ago, clockOf, dayKey, dayName, emojiNode, mentionOf, mrkdwn, wholeOf, wordsOf } from "./mrkdwn.js";
import { act, fileAddress, get } from "./server.js";
import { channelNamed, otherIn, store } from "./store.js";

/** Messages of one person within this time stand under one name. */
const TOGETHER_S = 300;
/** How many are asked for at once, and how many are there at most: the others come again as one scrolls to them. */
const PAGE = 100;
const MOST = 400;
/** How near to an end of what is there the next ones are asked for. */
const NEAR = 800;

// --- people -----------------------------------------------------------------------------------------

const initials = (name) =>
  name
    .split(/\s+/)
    .map((part) => [...part][0] ?? "")
    .slice(0, 2)
    .join("")
    .toUpperCase();

/** A coloured square with initials; the app has a bell. */
export function avatar(id, size = "") {
  const person = store.people.get(id);
  if (id === store.app.user) return el("span", { class: `avatar app ${size}`, "aria-hidden": "true" }, icon("bolt"));
  const number = Number(id.replace(/\D/g, "")) || 0;
  return el("span", { class: `avatar tint-${number % 8} ${size}`, "aria-hidden": "true" }, initials(person?.real_name ?? id));
}

const nameOf = (id) => store.people.get(id)?.real_name ?? id;

// --- one message ------------------------------------------------------------------------------------

/** How acting on an element of a message reaches the app. */
const messageContext = (message) => ({
  values: message.values ?? {},
  async act(filled) {
    await tried(message, () => act("act", { channel: message.channel, ts: message.ts, element: filled }));
  },
  async suggest(filled, text) {
    const answer = await act("suggest", { channel: message.channel, ts: message.ts, element: filled, text });
    return answer.options;
  },
});

/** Does something; what Slack would say when it fails is said beside the message. */
export async function tried(message, deed) {
  try {
    const answer = await deed();
    if (answer.trouble) troubles(message, answer.trouble);
    return answer;
  } catch (why) {
    troubles(message, why.message);
    return null;
  }
}

function troubles(message, words) {
  const row = document.querySelector(`.message[data-ts="${CSS.escape(message.ts)}"] .message-body`);
  if (!row) return notice(words);
  row.querySelector(":scope > .trouble")?.remove();
  const shown = el(
    "div",
    { class: "trouble", role: "alert" },
    icon("warning"),
    el("span", {}, words),
    iconButton("cross", "Dismiss", () => shown.remove()),
  );
  row.append(shown);
}

const isLine = (message) => /^(channel|group)_/.test(message.subtype ?? "");

/** What Slack itself writes: somebody joined, the topic was set. */
function lineOf(message) {
  const own = `<@${message.user}> `;
  const text = message.text.startsWith(own) ? message.text.slice(own.length) : message.text;
  const inviter = message.inviter && message.inviter !== message.user ? [" by ", mentionOf(message.inviter)] : [];
  if (message.subtype === "channel_join" && inviter.length) return ["was added to the channel", inviter];
  if (message.subtype === "channel_join") return ["joined the channel"];
  return mrkdwn(text.replace(/^has /, ""));
}

function bodyOf(message) {
  if (isLine(message)) return el("div", { class: "text line" }, lineOf(message));
  // What people type is shown from its text: their rich text says the same.
  if (!message.bot_id || !message.blocks?.length) {
    return el("div", { class: "text" }, mrkdwn(message.text), message.edited ? el("span", { class: "edited" }, " (edited)") : null);
  }
  return el("div", { class: "blocks" }, blocksOf(message.blocks, messageContext(message)));
}

const kilobytes = (bytes) => (bytes < 1024 ? `${bytes} B` : `${(bytes / 1024).toFixed(1)} kB`);

function fileOf(file) {
  const look = el(
    "button",
    { type: "button", class: "file", "aria-haspopup": "dialog", onclick: () => showFile(file) },
    el("span", { class: "file-icon" }, icon("file")),
    el("span", { class: "file-words" }, el("strong", {}, file.title || file.name), el("small", {}, `${file.filetype.toUpperCase()} · ${kilobytes(file.size)}`)),
  );
  const save = el(
    "a",
    { class: "icon-button", href: fileAddress(file, true), download: file.name, "aria-label": `Download ${file.name}`, title: "Download" },
    icon("download"),
  );
  return el("div", { class: "file-row" }, look, save);
}

/** A shared file as it reads: Markdown drawn, everything else as text. */
async function showFile(file) {
  const response = await fetch(fileAddress(file, false));
  const text = await response.text();
  const isMarkdown = /\.(md|markdown)$/i.test(file.name);
  const body = isMarkdown ? el("div", { class: "markdown text document" }, markdown(text)) : el("pre", { class: "document" }, text);
  dialog(file.title || file.name, body, {
    wide: true,
    actions: [el("a", { class: "button primary", href: fileAddress(file, true), download: file.name }, icon("download"), "Download")],
  });
}

function reactionsOf(message) {
  if (!message.reactions?.length) return null;
  const buttons = message.reactions.map(({ name, users }) => {
    const mine = users.includes(store.me);
    const who = users.map((id) => (id === store.me ? "you" : nameOf(id))).join(", ");
    return el(
      "button",
      {
        type: "button",
        class: mine ? "reaction mine" : "reaction",
        "aria-pressed": String(mine),
        "aria-label": `${name.replaceAll("_", " ")}, ${users.length}`,
        title: `${who} reacted with :${name}:`,
        onclick: () => tried(message, () => react(message, name, mine)),
      },
      EMOJI.has(name) ? el("span", { class: "emoji" }, emoji(name)) : emojiNode(name),
      el("span", {}, users.length),
    );
  });
  const add = iconButton("smile", "Add a reaction", () => pickEmoji(add, (name) => tried(message, () => react(message, name, false))));
  add.classList.add("reaction", "add");
  return el("div", { class: "reactions" }, buttons, add);
}

const react = (message, name, undo) => act("react", { channel: message.channel, ts: message.ts, emoji: name, undo });

/** A small window with emoji to choose from. */
export function pickEmoji(anchor, chosen) {
  const grid = el("div", { class: "emoji-grid" });
  const draw = (typed) => {
    const word = typed.trim().toLowerCase().replaceAll(" ", "_");
    const names = word ? [...EMOJI.keys()].filter((name) => name.includes(word)) : [...FAVOURITES, ...[...EMOJI.keys()].filter((name) => !FAVOURITES.includes(name))];
    grid.replaceChildren(
      ...names.slice(0, 240).map((name) =>
        el(
          "button",
          {
            type: "button",
            class: "emoji-choice",
            "aria-label": name.replaceAll("_", " "),
            title: `:${name}:`,
            onclick: () => {
              closeFloating(true);
              chosen(name);
            },
          },
          emoji(name),
        ),
      ),
    );
  };
  const field = el("input", { type: "search", class: "field-control", placeholder: "Search emoji", "aria-label": "Search emoji" });
  field.addEventListener("input", () => draw(field.value));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") grid.querySelector("button")?.click();
  });
  draw("");
  if (float(anchor, el("div", { class: "floating emoji-picker", role: "dialog", "aria-label": "Emoji" }, field, grid))) field.focus();
}

function threadOf(message, list) {
  if (!message.reply_count || list.thread) return null;
  const faces = (message.reply_users ?? []).map((id) => avatar(id, "small"));
  const count = message.reply_count === 1 ? "1 reply" : `${message.reply_count} replies`;
  return el(
    "button",
    { type: "button", class: "thread-summary", onclick: () => list.openThread(message.ts) },
    faces,
    el("strong", {}, count),
    el("span", { class: "muted" }, `Last reply ${ago(Number(message.latest_reply) * 1000)}`),
  );
}

/** The whole of a message, without the row around it. */
function draw(message, list) {
  const isBot = Boolean(message.bot_id);
  const name = message.username ?? (isBot ? store.app.name : nameOf(message.user));
  const person = store.people.get(message.user);
  const head = el(
    "div",
    { class: "message-head" },
    el("span", { class: "author", title: person?.title || undefined }, name),
    isBot || person?.id === store.app.user ? el("span", { class: "badge" }, "APP") : null,
    el("time", { class: "clock", datetime: new Date(Number(message.ts) * 1000).toISOString(), title: wholeOf(message.ts) }, clockOf(message.ts)),
  );
  const above = [];
  const channel = store.channels.get(message.channel);
  if (message.is_ephemeral) {
    const dismiss = el("button", { type: "button", class: "link-button", onclick: () => act("dismiss", { channel: message.channel, ts: message.ts }) }, "Dismiss");
    above.push(el("div", { class: "above" }, icon("eye"), "Only visible to you", el("span", { class: "only-dot" }, "·"), dismiss));
  }
  if (message.pinned_to?.length && channel?.pins.includes(message.ts)) above.push(el("div", { class: "above" }, icon("pin"), "Pinned"));
  if (message.subtype === "thread_broadcast" && !list.thread) {
    const open = el("button", { type: "button", class: "link-button", onclick: () => list.openThread(message.thread_ts) }, "replied to a thread");
    above.push(el("div", { class: "above" }, icon("reply"), open));
  }
  const body = el("div", { class: "message-body" }, head, bodyOf(message));
  append(body, (message.attachments ?? []).map((attachment) => attachmentOf(attachment, messageContext(message))));
  append(body, (message.files ?? []).map(fileOf), reactionsOf(message), threadOf(message, list));
  const side = el("div", { class: "message-side" }, avatar(isBot ? store.app.user : message.user), el("span", { class: "side-clock", "aria-hidden": "true" }, clockOf(message.ts).replace(/\s?[AP]M$/, "")));
  return [above, el("div", { class: "message-main" }, side, body)];
}

// --- what can be done with a message ------------------------------------------------------------------

/** The tools that stand on the message under the pointer or the focus: one set for all messages. */
export class Tools {
  constructor() {
    const react1 = (name) =>
      el("button", { type: "button", class: "icon-button", "aria-label": `React with ${name.replaceAll("_", " ")}`, title: `:${name}:`, onclick: () => this.do((message) => react(message, name, false)) }, el("span", { class: "emoji" }, emoji(name)));
    this.emojiButton = iconButton("smile", "Add a reaction", () => {
      const { message } = this;
      pickEmoji(this.emojiButton, (name) => tried(message, () => react(message, name, false)));
    });
    this.threadButton = iconButton("reply", "Reply in thread", () => this.list.openThread(this.message.thread_ts ?? this.message.ts, true));
    this.moreButton = iconButton("more", "More actions", () => this.more());
    this.moreButton.setAttribute("aria-haspopup", "menu");
    this.quick = ["eyes", "white_check_mark"].map(react1);
    this.node = el("div", { class: "tools", role: "toolbar", "aria-label": "Message actions" }, this.quick, this.emojiButton, this.threadButton, this.moreButton);
  }

  do(deed) {
    const { message } = this;
    return tried(message, () => deed(message));
  }

  moveTo(row, message, list) {
    if (this.row === row) return;
    Object.assign(this, { row, message, list });
    const hidden = message.is_ephemeral === true;
    for (const node of [...this.quick, this.emojiButton, this.threadButton]) node.hidden = hidden;
    this.threadButton.hidden = hidden || Boolean(list.thread) || isLine(message);
    row.append(this.node);
  }

  more() {
    const { message, list } = this;
    const channel = store.channels.get(message.channel);
    const items = [];
    if (message.is_ephemeral) {
      items.push({ label: "Dismiss message", icon: "cross", run: () => act("dismiss", { channel: message.channel, ts: message.ts }) });
    } else {
      for (const shortcut of store.app.shortcuts.filter((known) => known.kind === "message")) {
        items.push({
          label: shortcut.name,
          about: store.app.name,
          icon: "bolt",
          run: () => tried(message, () => act("shortcut", { callback_id: shortcut.callback_id, channel: message.channel, ts: message.ts })),
        });
      }
      if (items.length) items.push(null);
      if (!isLine(message)) {
        const pinned = channel?.pins.includes(message.ts);
        items.push({
          label: pinned ? "Unpin from channel" : "Pin to channel",
          icon: "pin",
          run: () => tried(message, () => act("pin", { channel: message.channel, ts: message.ts, undo: pinned })),
        });
        if (!list.thread) items.push({ label: "Reply in thread", icon: "reply", run: () => list.openThread(message.thread_ts ?? message.ts, true) });
      }
      items.push({
        label: "Copy link",
        icon: "link",
        run: () => navigator.clipboard?.writeText(`${location.origin}/#${store.name()}/${message.channel}/${message.ts}`),
      });
      if (message.user === store.me && !isLine(message)) {
        items.push(null, { label: "Edit message", icon: "pencil", run: () => this.list.edit(message) });
        items.push({ label: "Delete message", icon: "trash", danger: true, run: () => tried(message, () => act("delete", { channel: message.channel, ts: message.ts })) });
      }
    }
    menu(this.moreButton, "More actions", items);
  }
}

const tools = new Tools();

// --- a list of messages -------------------------------------------------------------------------------

/**
 * The messages of a channel, or of a thread. A change of one message re-draws its row and nothing else. Of a long channel
 * a window is there: what is before or after it comes as one scrolls, and what is far away goes.
 */
export class MessageList {
  constructor({ label, thread = null, openThread = () => {} }) {
    Object.assign(this, { thread, openThread, channel: null, rows: new Map(), hasMore: false, hasNewer: false, unreadFrom: null });
    this.list = el("ol", { class: "messages", "aria-label": label });
    this.begin = el("div", { class: "begin" });
    this.jump = el("button", { type: "button", class: "jump", hidden: true, onclick: () => this.toEnd() }, icon("down"), "New messages");
    this.scroller = el("div", { class: "scroller", tabindex: "-1" }, this.begin, this.list);
    this.node = el("div", { class: "message-list" }, this.scroller, this.jump);
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.list.addEventListener("pointerover", (event) => this.offer(event.target));
    this.list.addEventListener("focusin", (event) => {
      const row = this.offer(event.target);
      if (row && event.target === row) this.rove(row);
    });
    this.list.addEventListener("keydown", (event) => this.key(event));
    // A picture or a changed width moves the end: whoever stood there stays there.
    new ResizeObserver(() => this.sticks && this.toEnd()).observe(this.list);
    new ResizeObserver(() => this.sticks && this.toEnd()).observe(this.scroller);
  }

  // --- filling

  /** Shows the newest messages of a channel, or those around one of them. */
  async open(channel, around = null) {
    const asked = (this.asked = Symbol());
    const seen = this.thread
      ? await get("thread", { channel, ts: this.thread })
      : await get("history", { channel, limit: PAGE, ...(around ? { around } : {}) });
    if (this.asked !== asked) return false;
    this.channel = channel;
    this.rows.clear();
    this.hasMore = seen.has_more === true;
    this.hasNewer = seen.has_newer === true;
    this.list.replaceChildren();
    this.add(seen.messages, "append");
    this.jump.hidden = !this.hasNewer;
    this.sticks = !around;
    if (!around) this.toEnd();
    return true;
  }

  /** Puts messages, oldest first, before (`prepend`) or after (`append`) all others. */
  add(messages, where) {
    const made = messages.filter((message) => !this.rows.has(message.ts)).map((message) => this.make(message));
    this.list[where](...made.map((row) => row.node));
    for (const row of made) this.dress(row.node);
    const after = made.at(-1)?.node.nextElementSibling;
    if (after) this.dress(after);
    this.drawBegin();
    if (!this.roving?.isConnected) this.rove(this.list.lastElementChild);
  }

  make(message) {
    const node = el("li", { class: "message", tabindex: "-1", "data-ts": message.ts });
    const row = { node, message };
    this.rows.set(message.ts, row);
    this.fill(row);
    return row;
  }

  fill(row) {
    const { message, node } = row;
    const focused = node.contains(document.activeElement) && document.activeElement !== node ? pathTo(node, document.activeElement) : null;
    node.className = "message";
    node.classList.toggle("ephemeral", message.is_ephemeral === true);
    node.classList.toggle("is-line", isLine(message));
    node.classList.toggle("pinned", Boolean(message.pinned_to?.length));
    node.setAttribute("aria-label", `${message.bot_id ? store.app.name : nameOf(message.user)}, ${clockOf(message.ts)}`);
    node.replaceChildren();
    append(node, draw(message, this));
    if (tools.row === node) {
      tools.row = null;
      tools.moveTo(node, message, this);
    }
    focused?.(node);
  }

  /** A message is new or different. */
  upsert(message) {
    const known = this.rows.get(message.ts);
    if (known) {
      if (same(known.message, message)) return;
      known.message = message;
      this.fill(known);
      this.dress(known.node);
      return;
    }
    const mine = message.user === store.me && !message.bot_id;
    const oldest = this.list.firstElementChild?.dataset.ts;
    if (this.hasMore && oldest && message.ts < oldest) return;
    if (!mine) announce(`${message.bot_id ? store.app.name : nameOf(message.user)}: ${wordsOf(message.text || "new message").slice(0, 200)}`);
    if (this.hasNewer && message.ts > (this.list.lastElementChild?.dataset.ts ?? "")) {
      if (mine) this.toEnd();
      else this.jump.hidden = false;
      return;
    }
    const row = this.make(message);
    let before = this.list.lastElementChild;
    while (before && before.dataset.ts > message.ts) before = before.previousElementSibling;
    if (before) before.after(row.node);
    else this.list.prepend(row.node);
    this.dress(row.node);
    if (row.node.nextElementSibling) this.dress(row.node.nextElementSibling);
    if (!this.roving?.isConnected) this.rove(row.node);
    if (this.sticks || mine) {
      this.letGo("firstElementChild");
      this.toEnd();
    } else this.jump.hidden = false;
    this.drawBegin();
  }

  remove(ts) {
    const row = this.rows.get(ts);
    if (!row) return;
    const next = row.node.nextElementSibling;
    if (tools.row === row.node) tools.row = null;
    if (row.node === this.roving) this.rove(next ?? row.node.previousElementSibling);
    row.node.remove();
    this.rows.delete(ts);
    if (next) this.dress(next);
  }

  /** Lets the rows at one end go when there are too many: they come again on scrolling there. */
  letGo(end) {
    if (this.thread || this.rows.size <= MOST) return;
    while (this.rows.size > MOST - PAGE / 2) {
      const row = this.list[end];
      this.rows.delete(row.dataset.ts);
      row.remove();
    }
    if (end === "firstElementChild") {
      this.hasMore = true;
      this.dress(this.list.firstElementChild);
    } else this.hasNewer = true;
    if (tools.row && !tools.row.isConnected) tools.row = null;
    if (!this.roving?.isConnected) this.rove(this.list.lastElementChild);
  }

  // --- looks that depend on the neighbours

  dress(node) {
    const row = this.rows.get(node.dataset.ts);
    const before = node.previousElementSibling && this.rows.get(node.previousElementSibling.dataset.ts);
    const { message } = row;
    const newDay = !this.thread && (!before || dayKey(before.message.ts) !== dayKey(message.ts)) && !(this.hasMore && !before);
    const isNew = this.unreadFrom !== null && message.ts > this.unreadFrom && !(before && before.message.ts > this.unreadFrom) && before;
    const follows =
      before &&
      !newDay &&
      !isNew &&
      !this.thread &&
      before.message.user === message.user &&
      before.message.bot_id === message.bot_id &&
      (before.message.is_ephemeral === true) === (message.is_ephemeral === true) &&
      isLine(before.message) === isLine(message) &&
      !message.pinned_to?.length &&
      message.subtype !== "thread_broadcast" &&
      Number(message.ts) - Number(before.message.ts) < TOGETHER_S;
    node.classList.toggle("follows", Boolean(follows));
    node.querySelector(":scope > .between")?.remove();
    if (newDay || isNew) {
      const words = isNew ? "New" : dayName(message.ts);
      node.prepend(el("div", { class: isNew ? "between new" : "between" }, el("span", {}, words)));
    }
  }

  drawBegin() {
    const channel = store.channels.get(this.channel);
    if (this.thread || !channel) return;
    if (this.hasMore) {
      this.begin.replaceChildren(el("p", { class: "muted centred" }, "Loading earlier messages…"));
      return;
    }
    const name = channelNamed(channel);
    const isChannel = ["public", "private"].includes(channel.kind);
    const title = isChannel ? [icon(channel.kind === "private" ? "lock" : "hash"), name] : [avatar(channel.kind === "direct" ? otherIn(channel) : store.app.user), name];
    const words = isChannel
      ? channel.purpose || `This is the very beginning of the channel ${name}.`
      : `This conversation is just between you and ${name}.`;
    this.begin.replaceChildren(el("div", { class: "begin-words" }, el("h2", {}, title), el("p", { class: "text muted" }, isChannel ? mrkdwn(words) : words)));
  }

  // --- scrolling

  get atEnd() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    return !this.hasNewer && scrollHeight - scrollTop - clientHeight < 40;
  }

  toEnd() {
    if (this.hasNewer) return void this.open(this.channel);
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.jump.hidden = true;
    this.sticks = true;
    this.onend?.();
  }

  scrolled() {
    this.sticks = this.atEnd;
    if (this.sticks) {
      this.jump.hidden = true;
      this.onend?.();
    }
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    if (this.hasMore && scrollTop < NEAR) this.more("before");
    else if (this.hasNewer && scrollHeight - scrollTop - clientHeight < NEAR) this.more("after");
  }

  /** Loads what is before the oldest message, or after the newest one. */
  async more(where) {
    if (this.loading || this.thread) return;
    this.loading = true;
    try {
      const { channel, asked } = this;
      const isBefore = where === "before";
      const edge = isBefore ? this.list.firstElementChild : this.list.lastElementChild;
      const seen = await get("history", { channel, [where]: edge.dataset.ts, limit: PAGE });
      if (this.asked !== asked || !edge.isConnected) return;
      if (isBefore) this.hasMore = seen.has_more;
      else this.hasNewer = seen.has_newer;
      // What one looks at stays where it is, whatever comes or goes above.
      const place = edge.getBoundingClientRect().top;
      this.add(seen.messages, isBefore ? "prepend" : "append");
      this.letGo(isBefore ? "lastElementChild" : "firstElementChild");
      this.scroller.scrollTop += edge.getBoundingClientRect().top - place;
    } finally {
      this.loading = false;
    }
    requestAnimationFrame(() => this.scrolled());
  }

  /** Shows one message, and what is around it. */
  async show(ts) {
    if (!this.rows.has(ts)) await this.open(this.channel, ts);
    const row = this.rows.get(ts);
    if (!row) return;
    this.sticks = false;
    row.node.scrollIntoView({ block: "center" });
    row.node.classList.add("found");
    row.node.focus({ preventScroll: true });
    setTimeout(() => row.node.classList.remove("found"), 2500);
  }

  // --- pointer and keys

  offer(target) {
    const row = target.closest?.(".message");
    const known = row && this.rows.get(row.dataset.ts);
    if (known) tools.moveTo(row, known.message, this);
    return known ? row : null;
  }

  rove(row) {
    if (!row) return;
    if (this.roving) this.roving.tabIndex = -1;
    this.roving = row;
    row.tabIndex = 0;
  }

  key(event) {
    const row = event.target.closest?.(".message");
    if (!row || event.target !== row) return;
    const to = {
      ArrowDown: row.nextElementSibling,
      ArrowUp: row.previousElementSibling,
      Home: this.list.firstElementChild,
      End: this.list.lastElementChild,
    }[event.key];
    if (to) {
      event.preventDefault();
      to.focus();
      to.scrollIntoView({ block: "nearest" });
    }
    if (event.key === "ArrowUp" && !row.previousElementSibling && this.hasMore) this.more("before");
    if (event.key === "ArrowDown" && !row.nextElementSibling && this.hasNewer) this.more("after");
  }

  edit(message) {
    const field = el("textarea", { class: "field-control", "aria-label": "Message" });
    field.value = wordsOf(message.text);
    field.rows = 4;
    const shown = dialog("Edit message", field, {
      actions: [
        el("button", { type: "button", class: "button", onclick: () => shown.close() }, "Cancel"),
        el(
          "button",
          {
            type: "button",
            class: "button primary",
            onclick: async () => {
              await tried(message, () => act("edit", { channel: message.channel, ts: message.ts, text: field.value }));
              shown.close();
            },
          },
          "Save",
        ),
      ],
    });
    field.focus();
  }
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** Remembers which control of a row had the focus, to give it back after the row was drawn anew. */
function pathTo(row, active) {
  const all = (node) => [...node.querySelectorAll("button, a, select, input, textarea")].filter((other) => !other.closest(".tools"));
  const place = all(row).indexOf(active);
  const inTools = active.closest(".tools");
  return (drawn) => {
    if (inTools) active.focus({ preventScroll: true });
    else (all(drawn)[place] ?? drawn).focus({ preventScroll: true });
  };
}
