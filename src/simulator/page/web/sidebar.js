// The people that one can be, and the conversations of the one that one is.

import { el, iconButton, menu } from "./dom.js";
import { icon } from "./icons.js";
import { avatar } from "./messages.js";
import { channelNamed, store } from "./store.js";

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
  const direct = all.filter((channel) => channel.kind === "group");
  const focused = document.activeElement?.dataset?.channel;
  node.replaceChildren(
    group("Channels", own.map((channel) => row(channel, current))),
    direct.length ? group("Direct messages", direct.map((channel) => row(channel, current))) : "",
    group("Apps", [appRow(current)]),
    others.length ? folded("Other channels", others, current) : "",
    archived.length ? folded("Archived", archived, current) : "",
  );
  if (focused) node.querySelector(`[data-channel="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

const group = (title, rows) => el("section", { class: "side-group" }, el("h2", {}, title), el("ul", {}, rows));

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
  const label = [
    channelNamed(channel),
    channel.kind === "private" ? "private" : "",
    isUnread ? `${channel.unread} unread` : "",
  ].filter(Boolean);
  return el(
    "li",
    {},
    el(
      "a",
      {
        href: `#${store.name()}/${channel.id}`,
        class: `side-row${isUnread ? " unread" : ""}${channel.is_member ? "" : " outside"}`,
        "aria-current": channel.id === current ? "page" : null,
        "aria-label": label.join(", "),
        "data-channel": channel.id,
        "data-name": channel.name,
      },
      icon(channel.kind === "private" ? "lock" : channel.kind === "group" ? "people" : "hash"),
      el("span", { class: "side-name" }, channelNamed(channel)),
      isUnread && channel.mentions > 0 ? el("span", { class: "count" }, channel.mentions) : null,
    ),
  );
}

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
        "aria-label": unread ? `${store.app.name}, ${unread} unread` : store.app.name,
        "data-channel": store.app.channel,
        "data-name": "dm",
      },
      avatar(store.app.user, "small"),
      el("span", { class: "side-name" }, store.app.name),
      unread ? el("span", { class: "count" }, unread) : null,
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
