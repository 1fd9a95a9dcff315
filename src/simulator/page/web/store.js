// What the person of this page knows, and who is told when it changes.

const listeners = new Map();

/** Calls back when something of this kind changed. */
export function on(kind, listener) {
  listeners.set(kind, [...(listeners.get(kind) ?? []), listener]);
}

export function emit(kind, detail) {
  for (const listener of listeners.get(kind) ?? []) listener(detail);
}

export const store = {
  me: "",
  team: { domain: "" },
  app: { commands: [], shortcuts: [] },
  people: new Map(),
  groups: new Map(),
  channels: new Map(),
  view: null,
  home: null,
  revision: 0,
  /** The workspace's clock against ours. */
  ahead: 0,

  now: () => Date.now() + store.ahead,
  person: () => store.people.get(store.me),
  name: () => store.person()?.name ?? store.me,

  /** Takes everything anew. */
  take(state) {
    Object.assign(store, {
      me: state.me,
      team: state.team,
      app: state.app,
      view: state.view,
      home: state.home,
      revision: state.revision,
      ahead: state.now_ms - Date.now(),
      channels: new Map(state.channels.map((channel) => [channel.id, channel])),
    });
    store.takePeople(state);
  },

  takePeople({ people, groups }) {
    store.people = new Map(people.map((person) => [person.id, person]));
    store.groups = new Map(groups.map((group) => [group.id, group]));
  },

  /** Takes what changed, and tells. */
  hear({ revision, now_ms, news }) {
    store.revision = revision;
    store.ahead = now_ms - Date.now();
    // People and channels first: messages name them.
    const rank = { people: 0, channel: 1, no_channel: 1 };
    news.sort((a, b) => (rank[a.kind] ?? 2) - (rank[b.kind] ?? 2));
    for (const item of news) {
      if (item.kind === "people") store.takePeople(item);
      if (item.kind === "channel") store.channels.set(item.channel.id, item.channel);
      if (item.kind === "no_channel") store.channels.delete(item.id);
      if (item.kind === "view") store.view = item.view;
      if (item.kind === "home") store.home = item.home;
      emit(item.kind, item);
    }
    document.documentElement.dataset.revision = revision;
    emit("heard", news);
  },
};

/** With whom a direct message is. */
export const otherIn = (channel) => channel.members.find((id) => id !== store.me) ?? store.me;

/** How a conversation is called for this person. */
export function channelNamed(channel) {
  if (channel.id === store.app.channel) return store.app.name;
  if (channel.kind === "direct") return store.people.get(otherIn(channel))?.real_name ?? otherIn(channel);
  if (channel.kind === "group") {
    const others = channel.members.filter((id) => id !== store.me && id !== store.app.user);
    return others.map((id) => store.people.get(id)?.real_name ?? id).join(", ");
  }
  return channel.name;
}

/** A conversation by id or by name. */
export function findChannel(key) {
  if (store.channels.has(key)) return store.channels.get(key);
  if (key === "dm") return store.channels.get(store.app.channel);
  return [...store.channels.values()].find((channel) => channel.name === key && channel.name !== "");
}
