// The page: who looks, at what, and what stands where.

import { announce, append, closeFloating, dialog, el, iconButton, notice, settled } from "./dom.js";
import { icon } from "./icons.js";
import { bar, Composer } from "./composer.js";
import { avatar, MessageList } from "./messages.js";
import { Home, Modal } from "./modal.js";
import { linkTo, mrkdwn, wordsOf } from "./mrkdwn.js";
import { Scenes } from "./scenes.js";
import { act, get, listen } from "./server.js";
import { drawChannels, drawRail, theme, themeButton } from "./sidebar.js";
import { channelNamed, findChannel, on, otherIn, store } from "./store.js";

theme();

const app = document.getElementById("app");
const rail = document.getElementById("rail");
const main = document.getElementById("main");
const panel = document.getElementById("side-panel");
const isPhone = () => matchMedia("(max-width: 760px)").matches;

let people = [];
/** What is before us: {key: channel id or "home", list, composer, thread} */
let shown = { key: null };

// --- where we are -----------------------------------------------------------------------------------

/** `#ana/C0000000001/1757860200.000100`: who, where, and which message. */
const route = () => {
  const [who, place, ts] = decodeURIComponent(location.hash.slice(1)).split("/");
  return { who, place, ts };
};

async function follow() {
  closeFloating();
  const { who, place, ts } = route();
  const person = people.find((known) => known.name === who) ?? people[0];
  if (!person) return main.replaceChildren(el("p", { class: "nothing" }, "There is nobody in this workspace."));
  if (person.id !== store.me) return become(person);
  if (!store.channels.size) return;
  if (!place) {
    app.dataset.pane = "list";
    if (isPhone()) {
      shown = { key: null };
      main.replaceChildren();
      closePanel();
      return drawSidebar();
    }
    const general = findChannel("general") ?? [...store.channels.values()][0];
    return history.replaceState(null, "", `#${store.name()}/${general.id}`), follow();
  }
  app.dataset.pane = "channel";
  const channel = findChannel(place);
  const key = place === "home" ? "home" : channel?.id;
  if (!key) return history.replaceState(null, "", `#${store.name()}`), follow();
  if (shown.key !== key) await open(key);
  if (ts && shown.list) await showMessage(ts);
}

const goTo = (place) => (location.hash = `#${store.name()}/${place}`);

/** A message of this channel: in the main flow, or in its thread. */
async function showMessage(ts) {
  await shown.list.show(ts);
}

/** Becomes somebody else: the connection's `hello` brings everything that they see. */
function become(person) {
  store.me = person.id;
  store.people = new Map(people.map((known) => [known.id, known]));
  store.channels = new Map();
  shown = { key: null };
  closePanel();
  drawRail(rail, people, choose);
  if (followFocus) rail.querySelector('[aria-checked="true"]')?.focus();
  followFocus = false;
  const waiting = [];
  let loading = true;
  listen(person.name, {
    async hello() {
      app.classList.remove("lost");
      loading = true;
      const state = await get("state");
      if (state.me !== store.me) return;
      store.take(state);
      loading = false;
      const again = shown.key;
      shown = { ...shown, key: null };
      modal.show(store.view);
      home.show(store.home);
      drawSidebar();
      await follow();
      if (again && shown.thread) await shown.thread.open(shown.key);
      waiting.splice(0).forEach((news) => store.hear(news));
      document.documentElement.dataset.ready = person.name;
    },
    news(news) {
      if (loading) waiting.push(news);
      else store.hear(news);
    },
    lost: () => app.classList.add("lost"),
  });
}

/** The rail is drawn anew for the other person; a focus that stood there goes along. */
let followFocus = false;

function choose(name, byKey = false) {
  const { place } = route();
  location.hash = place ? `#${name}/${place}` : `#${name}`;
  followFocus = byKey;
}

// --- the sidebar ------------------------------------------------------------------------------------

const scenesButton = el("button", { type: "button", class: "head-button", "aria-expanded": "false", onclick: () => togglePanel("scenes") }, icon("film"), "Scenarios");
document
  .getElementById("side-head")
  .append(
    el("div", { class: "team" }, el("h1", { class: "team-name" }, "Workspace"), el("span", { class: "team-person" })),
    el("div", { class: "head-buttons" }, scenesButton, themeButton()),
  );

function drawSidebar() {
  const person = store.person();
  document.querySelector(".team-name").textContent = `${store.app.name[0].toUpperCase()}${store.app.name.slice(1)} workspace`;
  document.querySelector(".team-person").replaceChildren(el("span", { class: "online" }), person?.real_name ?? "");
  drawChannels(document.getElementById("channels"), shown.key);
  const all = [...store.channels.values()];
  const called = all.reduce((sum, channel) => sum + (channel.id === shown.key ? 0 : channel.mentions), 0);
  const channel = store.channels.get(shown.key);
  const place = channel ? (channel.name ? `#${channelNamed(channel)}` : channelNamed(channel)) : store.app.name;
  document.title = `${called ? `(${called}) ` : ""}${place} · ${person?.real_name ?? ""}`;
}

const drawSoon = settled(30, drawSidebar);

// --- a conversation -----------------------------------------------------------------------------------

async function open(key) {
  closeFloating();
  const before = shown.thread;
  const isOther = shown.place !== key;
  if (key === "home") {
    shown = { key, place: key };
    closePanel("thread");
    main.replaceChildren(head(store.channels.get(store.app.channel), true), home.node);
    home.show(store.home);
    drawSidebar();
    act("open_home", {}).catch((why) => notice(why.message));
    return;
  }
  const channel = store.channels.get(key);
  const list = new MessageList({ label: `Messages in ${channelNamed(channel)}`, openThread: (ts, focus) => openThread(ts, focus) });
  const mine = { key, place: key, list, thread: isOther ? null : before };
  if (isOther) closePanel("thread");
  shown = mine;
  list.unreadFrom = channel.unread > 0 ? (channel.last_read ?? "") : null;
  mine.foot = el("div", { class: "foot" });
  mine.head = head(channel, false);
  mine.bar = bookmarks(channel);
  main.replaceChildren(mine.head, mine.bar, list.node, mine.foot);
  drawFoot(channel);
  drawSidebar();
  if (!(await list.open(key)) || shown !== mine) return;
  list.onend = readSoon;
  readSoon();
  if (!isPhone() && document.activeElement === document.body) mine.composer?.focus();
}

/** What one can do at the foot: write, join, or nothing. */
function drawFoot(channel) {
  const kind = channel.is_archived ? "archived" : channel.is_member ? "member" : "outside";
  if (shown.footKind === kind) return;
  shown.footKind = kind;
  shown.composer = null;
  const name = channelNamed(channel);
  if (kind === "archived") return shown.foot.replaceChildren(bar(`You are looking at #${name}, which is archived.`));
  if (kind === "outside") {
    const join = el("button", { type: "button", class: "button primary", onclick: () => act("join", { channel: channel.id }).catch((why) => notice(why.message)) }, "Join channel");
    return shown.foot.replaceChildren(bar(`You are looking at #${name}.`, join));
  }
  shown.composer = new Composer({ label: `Message to ${name}`, place: () => ({ channel: channel.id }), said: (words) => said(words) });
  shown.composer.placeholder(channel.name ? `Message #${name}` : `Message ${name}`);
  shown.foot.replaceChildren(shown.composer.node);
}

/** What Slack itself says to the person, where they are. */
function said(words, list = shown.list, thread = null) {
  const ts = (store.now() / 1000).toFixed(6);
  list.upsert({ ts, channel: shown.key, user: "USLACKBOT", text: words.replaceAll("&", "&amp;").replaceAll("<", "&lt;"), is_ephemeral: true, thread_ts: thread, in_main_flow: true });
  announce(words);
}

const visible = () => document.visibilityState === "visible";

/** Takes the channel as read, as far as it was shown. */
const readSoon = settled(300, () => {
  const channel = store.channels.get(shown.key);
  const last = shown.list?.list.lastElementChild?.dataset.ts;
  if (!channel?.is_member || !channel.unread || !last || !visible() || !shown.list.sticks) return;
  act("read", { channel: channel.id, ts: channel.latest > last ? channel.latest : last }).catch(() => {});
});
document.addEventListener("visibilitychange", readSoon);

function head(channel, isHome) {
  const name = channel ? channelNamed(channel) : store.app.name;
  const back = iconButton("back", "Back to the conversations", () => (location.hash = `#${store.name()}`), { class: "icon-button only-phone" });
  if (isHome || channel.id === store.app.channel) {
    const tab = (place, label, current) => el("a", { class: "tab", href: `#${store.name()}/${place}`, "aria-current": current ? "page" : null }, label);
    return el(
      "header",
      { class: "head" },
      back,
      avatar(store.app.user, "small"),
      el("h1", { class: "head-name" }, name),
      el("nav", { class: "tabs", "aria-label": name }, store.app.home_tab ? tab("home", "Home", isHome) : null, tab("dm", "Messages", !isHome)),
    );
  }
  if (channel.kind === "direct") {
    const { title } = store.people.get(otherIn(channel)) ?? {};
    return el("header", { class: "head" }, back, avatar(otherIn(channel), "small"), el("h1", { class: "head-name" }, name), el("div", { class: "topic" }, title));
  }
  const topic = channel.topic ? el("div", { class: "topic text", title: wordsOf(channel.topic) }, mrkdwn(channel.topic)) : null;
  const faces = channel.members.filter((id) => !store.people.get(id)?.is_bot).slice(0, 3);
  const members = el(
    "button",
    { type: "button", class: "members", onclick: () => showMembers(channel) },
    faces.map((id) => avatar(id, "tiny")),
    el("span", {}, channel.members.length, el("span", { class: "unseen" }, " members")),
  );
  return el(
    "header",
    { class: "head" },
    back,
    el("h1", { class: "head-name" }, icon(channel.kind === "private" ? "lock" : "hash"), el("span", {}, name)),
    topic ?? el("div", { class: "topic" }),
    members,
  );
}

function showMembers(channel) {
  const row = (id) => {
    const person = store.people.get(id);
    return el("li", {}, avatar(id), el("span", {}, el("strong", {}, person?.real_name ?? id), person?.is_bot ? el("span", { class: "badge" }, "APP") : null, el("small", { class: "muted" }, person?.title || `@${person?.name ?? id}`)));
  };
  const leave =
    channel.is_member && channel.name !== "general"
      ? [el("button", { type: "button", class: "button", onclick: () => (box.close(), act("leave", { channel: channel.id }).catch((why) => notice(why.message))) }, icon("leave"), "Leave channel")]
      : [];
  const box = dialog(
    `#${channelNamed(channel)}`,
    [
      channel.topic ? [el("h3", {}, "Topic"), el("p", { class: "text" }, mrkdwn(channel.topic))] : null,
      channel.purpose ? [el("h3", {}, "Description"), el("p", { class: "text" }, mrkdwn(channel.purpose))] : null,
      el("h3", {}, `${channel.members.length} members`),
      el("ul", { class: "member-list" }, channel.members.map(row)),
    ],
    { actions: leave },
  );
}

/** The bar of pins and bookmarks. */
function bookmarks(channel) {
  const node = el("div", { class: "bookmarks", hidden: !channel.pins.length && !channel.bookmarks.length });
  if (channel.pins.length) {
    append(node, el("button", { type: "button", class: "bookmark", onclick: () => showPins(channel.id) }, icon("pin"), `${channel.pins.length} pinned`));
  }
  append(
    node,
    channel.bookmarks.map(({ title, link, emoji }) => {
      const words = emoji ? mrkdwn(emoji) : icon("bookmark");
      const shownLink = linkTo(link, words, " ", title);
      shownLink.classList.add("bookmark");
      return shownLink;
    }),
  );
  return node;
}

async function showPins(channel) {
  const { messages } = await get("pins", { channel });
  const rows = messages.map((message) =>
    el(
      "li",
      {},
      el(
        "button",
        {
          type: "button",
          class: "pin-row",
          onclick: () => {
            box.close();
            shown.list.show(message.ts);
          },
        },
        avatar(message.bot_id ? store.app.user : message.user, "small"),
        el("span", {}, el("strong", {}, message.bot_id ? store.app.name : store.people.get(message.user)?.real_name), el("span", { class: "pin-words" }, wordsOf(message.text).slice(0, 300))),
      ),
    ),
  );
  const box = dialog("Pinned messages", rows.length ? el("ul", { class: "pin-list" }, rows) : el("p", { class: "muted" }, "Nothing is pinned here."));
}

// --- the panel at the right ---------------------------------------------------------------------------

const scenes = new Scenes({ close: () => closePanel() });
let panelKind = null;

function closePanel(only = null) {
  if (only && panelKind !== only) return;
  const hadFocus = panel.contains(document.activeElement);
  panelKind = null;
  panel.replaceChildren();
  delete app.dataset.panel;
  scenesButton.setAttribute("aria-expanded", "false");
  const { opener } = shown;
  shown.thread = null;
  shown.threadComposer = null;
  if (hadFocus) (opener?.isConnected ? opener : shown.composer)?.focus?.();
}

function togglePanel(kind) {
  if (panelKind === kind) return closePanel();
  closePanel();
  panelKind = kind;
  app.dataset.panel = kind;
  scenesButton.setAttribute("aria-expanded", "true");
  panel.replaceChildren(scenes.node);
  scenes.load();
}

async function openThread(ts, focus = true) {
  const channel = store.channels.get(shown.key);
  const opener = document.activeElement?.closest(".message") ?? document.activeElement;
  closePanel();
  panelKind = "thread";
  app.dataset.panel = "thread";
  const list = new MessageList({ label: "Replies", thread: ts });
  const composer = new Composer({ label: "Reply", place: () => ({ channel: channel.id, thread_ts: ts }), said: (words) => said(words, list, ts) });
  composer.placeholder("Reply…");
  Object.assign(shown, { thread: list, threadComposer: composer, opener });
  panel.replaceChildren(
    el(
      "aside",
      { class: "panel thread", "aria-label": "Thread" },
      el(
        "header",
        { class: "panel-head" },
        iconButton("back", "Back to the channel", () => closePanel(), { class: "icon-button only-phone" }),
        el("h2", {}, "Thread", el("small", { class: "muted" }, channel.name ? ` #${channelNamed(channel)}` : ` ${channelNamed(channel)}`)),
        iconButton("cross", "Close thread", () => closePanel(), { class: "icon-button only-wide" }),
      ),
      list.node,
      channel.is_member && !channel.is_archived ? el("div", { class: "foot" }, composer.node) : null,
    ),
  );
  await list.open(channel.id);
  if (focus) composer.focus();
}

// --- what changes ---------------------------------------------------------------------------------------

const modal = new Modal();
const home = new Home();

on("message", ({ message }) => {
  if (message.channel !== shown.key || !shown.list) return;
  if (message.in_main_flow) shown.list.upsert(message);
  const { thread } = shown;
  if (thread && (message.ts === thread.thread || message.thread_ts === thread.thread)) thread.upsert(message);
});
on("gone", ({ channel, ts }) => {
  if (channel !== shown.key) return;
  shown.list?.remove(ts);
  shown.thread?.remove(ts);
});
on("channel", ({ channel }) => {
  drawSoon();
  if (channel.id !== shown.key) {
    if (channel.unread > (known.get(channel.id) ?? 0)) announce(`New message ${channel.kind === "direct" ? "from" : "in"} ${channelNamed(channel)}`);
    known.set(channel.id, channel.unread);
    return;
  }
  known.set(channel.id, 0);
  const nextHead = head(channel, false);
  const nextBar = bookmarks(channel);
  if (nextHead.textContent !== shown.head.textContent) {
    shown.head.replaceWith(nextHead);
    shown.head = nextHead;
  }
  if (nextBar.textContent !== shown.bar.textContent || nextBar.hidden !== shown.bar.hidden) {
    shown.bar.replaceWith(nextBar);
    shown.bar = nextBar;
  }
  drawFoot(channel);
  if (shown.list.sticks) readSoon();
});
const known = new Map();
on("no_channel", ({ id }) => {
  drawSoon();
  if (id === shown.key) location.hash = `#${store.name()}`;
});
on("people", () => drawSoon());
on("view", ({ view }) => modal.show(view));
on("home", (item) => shown.key === "home" && home.show(item.home));
on("scenes", () => panelKind === "scenes" && scenes.load());

// --- keys -----------------------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && panelKind && !document.querySelector("dialog[open]")) closePanel();
  if (event.altKey && ["ArrowDown", "ArrowUp"].includes(event.key)) {
    const rows = [...document.querySelectorAll("#channels a")];
    const at = rows.findIndex((row) => row.getAttribute("aria-current") === "page");
    const next = rows[(at + (event.key === "ArrowDown" ? 1 : -1) + rows.length) % rows.length];
    if (next) {
      event.preventDefault();
      next.click();
    }
  }
});
window.addEventListener("hashchange", follow);
window.addEventListener("resize", settled(200, () => !isPhone() && !route().place && follow()));

({ people } = await (await fetch("/page/people")).json());
await follow();
