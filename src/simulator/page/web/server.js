// Talking with the workspace: asking, doing, and hearing what changed.

import { store } from "./store.js";

async function ask(address, options) {
  const response = await fetch(address, options);
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error ?? `The workspace answers ${response.status}.`);
  return body;
}

const query = (params) => new URLSearchParams({ as: store.me, ...params }).toString();

export const get = (what, params = {}) => ask(`/page/${what}?${query(params)}`);

export const post = (address, body) =>
  ask(address, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

/** Does something as the person of this page. */
export const act = (deed, body) => post(`/page/do/${deed}`, { as: store.me, ...body });

/** Uploads a file for a form: {id, name, size}. */
export const upload = (file) => ask(`/page/upload?${query({ name: file.name })}`, { method: "POST", body: file });

export const fileAddress = (file, download) => `${file.url}?${query(download ? { download: "1" } : {})}`;

let source = null;

/** Listens as this person: `hello` on every (re)connection, then `news`. */
export function listen(who, { hello, news, lost }) {
  source?.close();
  const mine = new EventSource(`/page/events?as=${encodeURIComponent(who)}`);
  source = mine;
  const live = (handle) => (event) => source === mine && handle(JSON.parse(event.data));
  mine.addEventListener("hello", live(hello));
  mine.addEventListener("reload", live(hello));
  mine.addEventListener("news", live(news));
  mine.addEventListener("error", () => source === mine && lost());
}
