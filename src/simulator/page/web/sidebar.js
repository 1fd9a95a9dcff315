// The people that one can be, and the conversations of the one that one is.

import { el, iconButton, menu, notice } from "./dom.js";
import { icon } from "./icons.js";
import { avatar } from "./messages.js";
import { act } from "./server.js";
import { channelNamed, otherIn, store } from "./store.js";

/** The rail: one button for each person. */
export function drawRail(node, people, become) {
  node.replaceChildren(
    el("span", { class: "rail-label", id: "act-as" }, "Act as"),
    el(
      "div",
      { class: "rail-people", role: "radiogroup", "aria-labelledby": "act-as" },
      people.map((person) => {
        const mine = person.id === store.me;
        const button = el(
          "button",
          {
            type: "button",
            role: "radio",
            class: mine ? "rail-person mine" : "rail-person",
            "aria-checked": String(mine),
            "aria-label": [person.real_name, person.title].filter(Boolean).join(", "),
            title: [person.real_name, person.title].filter(Boolean).join(" · "),
            tabindex: mine ? "0" : "-1",
            "data-person": person.name,
            onclick: () => become(person.name),
          },
          avatar(person.id),
          el("span", { class: "rail-name", "aria-hidden": "true" }, person.name),
        );
        button.addEventListener("keydown", (event) => {
          const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
          if (!step) return;
          event.preventDefault();
          const place = people.findIndex((other) => other.id === person.id);
          become(people[(place + step + people.length) % people.length].name, true);
        });
        return button;
      }),
    ),
  );
}

const byName = (a, b) => a.name.localeCompare(b.name);

/** The list of conversations. `open` is the one before us. */
export function drawChannels(node, current) {
  const all = [...store.channels.values()];
  const isChannel = (channel) => ["public", "private"].includes(channel.kind);
  const own = all.filter((channel) => isChannel(channel) && channel.is_member && !channel.is_archived).sort(byName);
  const others = all.filter((channel) => isChannel(channel) && !channel.is_member && !channel.is_archived).sort(byName);
  const archived = all.filter((channel) => isChannel(channel) && channel.is_archived).sort(byName);
  const isDirect = (channel) => channel.kind === "group" || (channel.kind === "direct" && channel.id !== store.app.channel);
  const byPeople = (a, b) => channelNamed(a).localeCompare(channelNamed(b));
  const direct = all.filter(isDirect).sort(byPeople);
  const focused = document.activeElement?.dataset?.channel;
  node.replaceChildren(
    group("Channels", own.map((channel) => row(channel, current))),
    group("Direct messages", direct.map((channel) => row(channel, current)), beginButton),
    group("Apps", [appRow(current)]),
    others.length ? folded("Other channels", others, current) : "",
    archived.length ? folded("Archived", archived, current) : "",
  );
  if (focused) node.querySelector(`[data-channel="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

const group = (title, rows, button) =>
  el("section", { class: "side-group" }, el("div", { class: "side-title" }, el("h2", {}, title), button), rows.length ? el("ul", {}, rows) : null);

/** Begins a direct message with any of the people. */
const beginButton = iconButton("plus", "New direct message", () => {
  const others = [...store.people.values()].filter((person) => !person.is_bot && !person.deleted && person.id !== store.me);
  const items = others.map((person) => ({ label: person.real_name, about: person.title || `@${person.name}`, run: () => writeTo(person) }));
  menu(beginButton, "New direct message", items);
});
beginButton.setAttribute("aria-haspopup", "menu");
beginButton.dataset.channel = "new";

async function writeTo(person) {
  try {
    const { channel } = await act("open_direct", { user: person.id });
    // The news of it may still be on their way.
    store.channels.set(channel.id, channel);
    beginButton.blur();
    location.hash = `#${store.name()}/${channel.id}`;
  } catch (why) {
    notice(why.message);
  }
}

const unfolded = new Set();
function folded(title, channels, current) {
  const has = channels.some((channel) => channel.id === current);
  const node = el(
    "details",
    { class: "side-group", open: has || unfolded.has(title) },
    el("summary", {}, `${title} (${channels.length})`),
    el("ul", {}, channels.map((channel) => row(channel, current))),
  );
  node.addEventListener("toggle", () => (node.open ? unfolded.add(title) : unfolded.delete(title)));
  return node;
}

function row(channel, current) {
  const isUnread = channel.unread > 0 && channel.id !== current;
  return el(
    "li",
    {},
    el(
      "a",
      {
        href: `#${store.name()}/${channel.id}`,
        class: `side-row${isUnread ? " unread" : ""}${channel.is_member ? "" : " outside"}`,
        "aria-current": channel.id === current ? "page" : null,
        "data-channel": channel.id,
        "data-name": channel.kind === "direct" ? `@${store.people.get(otherIn(channel))?.name}` : channel.name,
      },
      channel.kind === "direct" ? avatar(otherIn(channel), "small") : icon({ private: "lock", group: "people" }[channel.kind] ?? "hash"),
      el("span", { class: "side-name" }, channelNamed(channel)),
      channel.kind === "private" ? el("span", { class: "unseen" }, "private") : null,
      isUnread ? unreadMark(channel.unread, channel.mentions) : null,
    ),
  );
}

/** How many messages are unread, to those who listen; how many call this person, to those who look. */
const unreadMark = (unread, called) => [
  el("span", { class: "unseen" }, `${unread} unread`),
  called > 0 ? el("span", { class: "count", "aria-hidden": "true" }, called) : null,
];

function appRow(current) {
  const channel = store.channels.get(store.app.channel);
  const unread = channel && channel.id !== current ? channel.unread : 0;
  return el(
    "li",
    {},
    el(
      "a",
      {
        href: `#${store.name()}/dm`,
        class: unread ? "side-row unread" : "side-row",
        "aria-current": current === store.app.channel || current === "home" ? "page" : null,
        "data-channel": store.app.channel,
        "data-name": "dm",
      },
      avatar(store.app.user, "small"),
      el("span", { class: "side-name" }, store.app.name),
      unread ? unreadMark(unread, unread) : null,
    ),
  );
}

// --- light and dark -----------------------------------------------------------------------------------

const KEY = "workspace-theme";
export function theme(choice = localStorage.getItem(KEY) ?? "auto") {
  localStorage.setItem(KEY, choice);
  const isDark = choice === "dark" || (choice === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => theme());

export function themeButton() {
  const button = iconButton("moon", "Light or dark", () =>
    menu(button, "Light or dark", [
      { label: "Light", icon: "sun", run: () => theme("light") },
      { label: "Dark", icon: "moon", run: () => theme("dark") },
      { label: "As the system", run: () => theme("auto") },
    ]),
  );
  button.setAttribute("aria-haspopup", "menu");
  return button;
}
