// Slack's text: `*bold*`, `<@U…>`, `<https://…|label>`, `<!date^…>`, `:eyes:` and the rest become nodes.

import { el } from "./dom.js";
import { emoji, EMOJI } from "./emoji.js";
import { channelNamed, store } from "./store.js";

const unescape = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

/** Addresses that may stand behind a link. Everything else is shown as text. */
export function safeAddress(address) {
  try {
    const url = new URL(address);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** A link that leads out, or to a place in this workspace. */
export function linkTo(address, ...children) {
  const href = safeAddress(address);
  if (!href) return el("span", {}, ...children);
  const inside = placeOf(href);
  if (inside) return el("a", { href: inside, class: "inside" }, ...children);
  return el("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, ...children);
}

/** The place in this page that a permalink of the workspace names. */
function placeOf(href) {
  const url = new URL(href);
  if (url.hostname !== `${store.team.domain}.slack.com`) return null;
  const found = url.pathname.match(/^\/archives\/(\w+)(?:\/p(\d+)(\d{6}))?$/);
  if (!found || !store.channels.has(found[1])) return null;
  const message = found[2] ? `/${found[2]}.${found[3]}` : "";
  return `#${store.name()}/${found[1]}${message}`;
}

// --- mentions and dates ---------------------------------------------------------------------------

export function mentionOf(user) {
  const person = store.people.get(user);
  const mine = user === store.me;
  return el("span", { class: mine ? "mention mine" : "mention", title: person?.real_name }, `@${person ? person.name : user}`);
}

export function channelLink(id, fallback) {
  const channel = store.channels.get(id);
  if (!channel) return el("span", { class: "mention" }, `#${fallback || "private-channel"}`);
  return el("a", { class: "mention", href: `#${store.name()}/${channel.id}` }, `#${channelNamed(channel)}`);
}

const groupMention = (id, label) => {
  const group = store.groups.get(id);
  const mine = group?.users.includes(store.me);
  return el("span", { class: mine ? "mention mine" : "mention" }, `@${group?.handle ?? (label || id).replace(/^@/, "")}`);
};

const broadcast = (range) => el("span", { class: "mention mine" }, `@${range}`);

const DAY = 86_400_000;
const format = (options) => new Intl.DateTimeFormat("en-US", options);
const FORMATS = {
  date_num: format({ year: "numeric", month: "2-digit", day: "2-digit" }),
  date: format({ year: "numeric", month: "long", day: "numeric" }),
  date_short: format({ year: "numeric", month: "short", day: "numeric" }),
  date_long: format({ year: "numeric", month: "long", day: "numeric", weekday: "long" }),
  time: format({ hour: "numeric", minute: "2-digit" }),
  time_secs: format({ hour: "numeric", minute: "2-digit", second: "2-digit" }),
  day: format({ weekday: "long", month: "long", day: "numeric" }),
  whole: format({ dateStyle: "full", timeStyle: "medium" }),
};

const dayOf = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();

/** "today", "yesterday" or "tomorrow", by the workspace's clock. */
function pretty(date) {
  const days = Math.round((dayOf(date) - dayOf(new Date(store.now()))) / DAY);
  return { "-1": "yesterday", 0: "today", 1: "tomorrow" }[days] ?? null;
}

/** How long ago, in words. */
export function ago(ms) {
  const seconds = Math.round((store.now() - ms) / 1000);
  const [count, unit] =
    Math.abs(seconds) < 60 ? [seconds, "second"]
    : Math.abs(seconds) < 3600 ? [Math.round(seconds / 60), "minute"]
    : Math.abs(seconds) < 86_400 ? [Math.round(seconds / 3600), "hour"]
    : [Math.round(seconds / 86_400), "day"];
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(-count, unit);
}

/** The text of a `<!date^…>`, with its tokens filled in. */
function dateText(seconds, form) {
  const date = new Date(seconds * 1000);
  return form.replace(/\{(\w+)\}/g, (whole, token) => {
    if (token === "ago") return ago(seconds * 1000);
    if (token.endsWith("_pretty")) return pretty(date) ?? FORMATS[token.replace("_pretty", "")]?.format(date) ?? whole;
    return FORMATS[token]?.format(date) ?? whole;
  });
}

export function dateNode(seconds, form, link, fallback) {
  const at = Number(seconds);
  if (!Number.isFinite(at)) return document.createTextNode(fallback ?? "");
  const date = new Date(at * 1000);
  const node = el("time", { datetime: date.toISOString(), title: FORMATS.whole.format(date) }, dateText(at, form));
  return link ? linkTo(link, node) : node;
}

/** `9:41 AM` of a message's timestamp. */
export const clockOf = (ts) => FORMATS.time.format(new Date(Number(ts) * 1000));
export const wholeOf = (ts) => FORMATS.whole.format(new Date(Number(ts) * 1000));
export const dayKey = (ts) => dayOf(new Date(Number(ts) * 1000));
export function dayName(ts) {
  const date = new Date(Number(ts) * 1000);
  const near = pretty(date);
  return near ? near[0].toUpperCase() + near.slice(1) : FORMATS.day.format(date);
}

// --- text -----------------------------------------------------------------------------------------

/** What stands in angle brackets. */
function angle(inside) {
  const bar = inside.indexOf("|");
  const target = bar < 0 ? inside : inside.slice(0, bar);
  const label = bar < 0 ? "" : unescape(inside.slice(bar + 1));
  if (/^@[UWB]\w+$/.test(target)) return mentionOf(target.slice(1));
  if (/^#[CGD]\w+$/.test(target)) return channelLink(target.slice(1), label);
  if (target.startsWith("!subteam^")) return groupMention(target.slice(9), label);
  if (target.startsWith("!date^")) {
    const [, seconds, form, link] = target.split("^");
    return dateNode(seconds, unescape(form ?? ""), link && unescape(link), label);
  }
  if (/^!(here|channel|everyone)$/.test(target)) return broadcast(target.slice(1));
  if (target.startsWith("!")) return document.createTextNode(label || `<${target}>`);
  const address = unescape(target);
  if (!safeAddress(address)) return document.createTextNode(label ? `${label} (${address})` : address);
  return linkTo(address, label || address.replace(/^mailto:/, ""));
}

/** Splits words from emoji names. */
function withEmoji(text, into) {
  let from = 0;
  for (const found of text.matchAll(/:([a-z0-9_+'-]+)(?:::skin-tone-\d)?:/g)) {
    if (!EMOJI.has(found[1])) continue;
    if (found.index > from) into.push(document.createTextNode(unescape(text.slice(from, found.index))));
    into.push(emojiNode(found[1]));
    from = found.index + found[0].length;
  }
  if (from < text.length) into.push(document.createTextNode(unescape(text.slice(from))));
}

export const emojiNode = (name) =>
  EMOJI.has(name.split("::")[0])
    ? el("span", { class: "emoji", role: "img", "aria-label": name.replaceAll("_", " "), title: `:${name}:` }, emoji(name))
    : document.createTextNode(`:${name}:`);

const MARKS = { "*": "strong", _: "em", "~": "del" };
const isEdge = (c) => c === undefined || c === "" || /[\s.,:;!?()[\]{}"'“”‘’\-–—/|<>*_~…]/.test(c);

/** One run of text without line structure. */
function inline(text, into) {
  let plain = "";
  // Where a mark was looked for in vain up to the end of its line: whoever opens it again before that need not look.
  const vain = {};
  const flush = () => {
    if (plain) withEmoji(plain, into);
    plain = "";
  };
  for (let at = 0; at < text.length; at += 1) {
    const c = text[at];
    if (c === "<") {
      const end = text.indexOf(">", at);
      if (end > at + 1) {
        flush();
        into.push(angle(text.slice(at + 1, end)));
        at = end;
        continue;
      }
    } else if (c === "`") {
      const end = text.indexOf("`", at + 1);
      if (end > at + 1) {
        flush();
        into.push(el("code", {}, code(text.slice(at + 1, end))));
        at = end;
        continue;
      }
    } else if (MARKS[c] && isEdge(text[at - 1]) && opens(text, at) && at >= (vain[c] ?? 0)) {
      const end = closing(text, at, c);
      if (end < 0) vain[c] = -end;
      else {
        flush();
        const children = [];
        inline(text.slice(at + 1, end), children);
        into.push(el(MARKS[c], {}, children));
        at = end;
        continue;
      }
    }
    plain += c;
  }
  flush();
}

/** Whether a mark can begin something here: with text right after it. */
const opens = (text, at) => !/\s/.test(text[at + 1] ?? " ") && text[at + 1] !== text[at];

/**
 * Where a mark ends that begins at `from`: on the same line, with text right before it and an edge after it. If nowhere:
 * the end of what was looked at, as a negative number.
 */
function closing(text, from, mark) {
  for (let at = from + 2; at < text.length; at += 1) {
    if (text[at] === "\n") return -at;
    if (text[at] === "<") {
      const end = text.indexOf(">", at);
      if (end > 0) at = end;
    } else if (text[at] === mark && !/\s/.test(text[at - 1]) && isEdge(text[at + 1])) return at;
  }
  return -text.length;
}

/** Inside of code only what is in angle brackets means anything. */
const code = (text) => unescape(text.replace(/<([^>|]+)\|([^>]*)>/g, "$2").replace(/<([^>]+)>/g, "$1"));

/** Slack's mrkdwn as nodes. */
export function mrkdwn(text) {
  const nodes = [];
  const parts = String(text ?? "").split("```");
  parts.forEach((part, place) => {
    const isCode = place % 2 === 1 && place < parts.length - 1;
    if (isCode) {
      nodes.push(el("pre", {}, code(part.replace(/^\n/, "").replace(/\n$/, ""))));
      return;
    }
    const rest = place % 2 === 1 ? "```" + part : part;
    let shown = rest;
    if (place > 0) shown = shown.replace(/^\n/, "");
    if (place < parts.length - 1) shown = shown.replace(/\n$/, "");
    lines(shown, nodes);
  });
  return nodes;
}

function lines(text, nodes) {
  const all = text.split("\n");
  let run = [];
  const flush = () => {
    if (run.length) {
      const children = [];
      inline(run.join("\n"), children);
      nodes.push(...children);
    }
    run = [];
  };
  for (let at = 0; at < all.length; at += 1) {
    if (!/^(&gt;|>) ?/.test(all[at])) {
      run.push(all[at]);
      continue;
    }
    flush();
    const quoted = [];
    while (at < all.length && /^(&gt;|>) ?/.test(all[at])) {
      quoted.push(all[at].replace(/^(&gt;){1,3} ?|^>{1,3} ?/, ""));
      at += 1;
    }
    at -= 1;
    const children = [];
    inline(quoted.join("\n"), children);
    nodes.push(el("blockquote", {}, children));
  }
  flush();
}

/** A plain_text object: only emoji mean anything, and only if it says so. */
export function plainText(object) {
  const nodes = [];
  const text = String(object?.text ?? "");
  if (object?.emoji === false) return [document.createTextNode(text)];
  let from = 0;
  for (const found of text.matchAll(/:([a-z0-9_+'-]+):/g)) {
    if (!EMOJI.has(found[1])) continue;
    nodes.push(document.createTextNode(text.slice(from, found.index)), emojiNode(found[1]));
    from = found.index + found[0].length;
  }
  nodes.push(document.createTextNode(text.slice(from)));
  return nodes;
}

/** A text object of either kind. */
export const textOf = (object) => (object?.type === "mrkdwn" ? mrkdwn(object.text) : plainText(object));

/** The words of mrkdwn without its marks: for labels and announcements. */
export const wordsOf = (text) => el("div", {}, mrkdwn(text)).textContent;
