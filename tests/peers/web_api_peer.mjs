// @slack/web-api (npm) as a peer of the simulator: forms instead of JSON, its own retries and paging.
//
// Usage: web_api_peer.mjs http://127.0.0.1:PORT   (a fresh workspace with default options)

import { createRequire } from "node:module";
import path from "node:path";

const installed = process.env.FIREBELL_PEERS ?? path.resolve("target/peers");
const require = createRequire(path.join(installed, "node_modules", "peer.js"));
const { WebClient, LogLevel } = require("@slack/web-api");

const origin = process.argv[2].replace(/\/$/, "");
const slackApiUrl = `${origin}/api/`;
let passed = 0;

function check(name, condition, seen) {
  if (!condition) {
    console.error(`MISMATCH after ${passed} checks: ${name}\n  seen: ${JSON.stringify(seen)}`);
    process.exit(1);
  }
  passed += 1;
}

function same(name, seen, expected) {
  const [a, b] = [JSON.stringify(seen), JSON.stringify(expected)];
  check(`${name}: expected ${b}`, a === b, seen);
}

async function errorOf(name, call, expected) {
  try {
    const answer = await call();
    check(`${name}: expected the error ${expected}`, false, answer);
  } catch (error) {
    same(name, error.data?.error ?? error.code, expected);
    return error.data;
  }
}

async function simulator(where, body) {
  const answer = await fetch(`${origin}/simulator/${where}`, {
    method: body ? "POST" : "GET",
    headers: { "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  return answer.json();
}

const client = new WebClient("xoxb-simulator", { slackApiUrl, logLevel: LogLevel.ERROR, allowAbsoluteUrls: true });
const impatient = new WebClient("xoxb-simulator", {
  slackApiUrl,
  logLevel: LogLevel.ERROR,
  retryConfig: { retries: 0 },
  rejectRateLimitedCalls: true,
});

// --- protocol
const who = await client.auth.test();
same("auth.test", who.team_id, "T0000000001");
check("scopes are read from the headers", who.response_metadata.scopes.includes("chat:write"), who.response_metadata);
await errorOf("a wrong token", () => new WebClient("xoxb-no", { slackApiUrl }).auth.test(), "invalid_auth");
await errorOf("no token", () => new WebClient(undefined, { slackApiUrl }).auth.test(), "not_authed");
await errorOf("an unknown method", () => client.apiCall("chat.sing"), "unknown_method");
same("api.test echoes", (await client.api.test({ foo: "bar" })).args, { foo: "bar" });
const bot = who.user_id;

// --- people and channels
const ana = (await simulator("users", { name: "ana" })).id;
const bo = (await simulator("users", { name: "bo" })).id;
const room = (await client.conversations.create({ name: "war-room" })).channel.id;
same("invite", (await client.conversations.invite({ channel: room, users: `${ana},${bo}` })).ok, true);
const again = await errorOf("invite again", () => client.conversations.invite({ channel: room, users: ana }), "already_in_channel");
same("with its errors", again.errors, [{ error: "already_in_channel", ok: false, user: ana }]);
same("members", (await client.conversations.members({ channel: room })).members.sort(), [ana, bo, bot].sort());
same("topic", (await client.conversations.setTopic({ channel: room, topic: "t" })).channel.topic.value, "t");
same("purpose", (await client.conversations.setPurpose({ channel: room, purpose: "p" })).channel.purpose.value, "p");
same("rename", (await client.conversations.rename({ channel: room, name: "war-room-2" })).channel.name, "war-room-2");
await errorOf("a taken name", () => client.conversations.create({ name: "war-room-2" }), "name_taken");
await errorOf("a bad name", () => client.conversations.create({ name: "Büro" }), "invalid_name_specials");
same("info", (await client.conversations.info({ channel: room, include_num_members: true })).channel.num_members, 3);
same("kick", (await client.conversations.kick({ channel: room, user: bo })).ok, true);
const joined = await client.conversations.join({ channel: room });
same("join again is a warning", joined.warning, "already_in_channel");
same("users.info", (await client.users.info({ user: ana })).user.profile.email, "ana@example.com");
same("lookupByEmail", (await client.users.lookupByEmail({ email: "bo@example.com" })).user.id, bo);
await errorOf("an unknown address", () => client.users.lookupByEmail({ email: "no@example.com" }), "users_not_found");
same("team.info", (await client.team.info()).team.id, "T0000000001");
same("usergroups", (await client.usergroups.list()).usergroups, []);
await errorOf("no such group", () => client.usergroups.users.list({ usergroup: "S1" }), "no_such_subteam");

for (let n = 0; n < 6; n++) await simulator("channels", { name: `many-${n}` });
const names = [];
let pages = 0;
for await (const page of client.paginate("conversations.list", { limit: 3 })) {
  pages += 1;
  names.push(...page.channels.map((channel) => channel.name));
}
check("paginate reads every page", pages === 3 && names.length === 8 && names.includes("many-5"), { pages, names });
const everybody = [];
for await (const page of client.paginate("users.list", { limit: 2 })) everybody.push(...page.members.map((u) => u.id));
same("users.list by pages", everybody.sort(), [ana, bo, bot, "USLACKBOT"].sort());

// --- messages
const button = (text, action_id) => ({ type: "button", action_id, text: { type: "plain_text", text }, value: "INC-1" });
const blocks = [
  { type: "section", text: { type: "mrkdwn", text: "*P1* checkout" } },
  { type: "actions", block_id: "card", elements: [button("Acknowledge", "ack"), button("Resolve", "resolve")] },
];
const metadata = { event_type: "incident", event_payload: { id: "INC-1", at: 5 } };
const posted = await client.chat.postMessage({ channel: room, text: "P1", blocks, metadata });
same("a posted message is the bot's", [posted.message.user, posted.message.bot_id], [bot, who.bot_id]);
same("defaults are filled in", posted.message.blocks[0].text.verbatim, false);
const reply = await client.chat.postMessage({ channel: room, text: "reply", thread_ts: posted.ts });
const thread = await client.conversations.replies({ channel: room, ts: posted.ts });
same("the thread", thread.messages.map((m) => m.ts), [posted.ts, reply.ts]);
const history = await client.conversations.history({ channel: room, include_all_metadata: true });
same("metadata is read back", history.messages.find((m) => m.ts === posted.ts).metadata.event_payload, { at: 5, id: "INC-1" });
const byPages = [];
for await (const page of client.paginate("conversations.history", { channel: room, limit: 2 })) byPages.push(...page.messages);
same("history by pages", byPages.map((m) => m.ts), history.messages.map((m) => m.ts));
const bad = await errorOf("51 blocks", () => client.chat.postMessage({ channel: room, text: "x", blocks: Array(51).fill({ type: "divider" }) }), "invalid_blocks");
same("in Slack's words", bad.errors, ["no more than 50 items allowed [json-pointer:/blocks]"]);
await errorOf("nothing to say", () => client.chat.postMessage({ channel: room, text: "" }), "no_text");
await errorOf("an unknown channel", () => client.chat.postMessage({ channel: "C404", text: "x" }), "channel_not_found");
same("update", (await client.chat.update({ channel: room, ts: posted.ts, text: "P2", blocks })).text, "P2");
await errorOf("a too long update", () => client.chat.update({ channel: room, ts: posted.ts, text: "x".repeat(4001) }), "msg_too_long");
check("permalink", (await client.chat.getPermalink({ channel: room, message_ts: posted.ts })).permalink.includes(room));
check("ephemeral", (await client.chat.postEphemeral({ channel: room, user: ana, text: "psst" })).message_ts);
await errorOf("ephemeral to an outsider", () => client.chat.postEphemeral({ channel: room, user: bo, text: "x" }), "user_not_in_channel");
const dm = (await client.conversations.open({ users: ana })).channel.id;
same("open again", (await client.conversations.open({ users: ana })).already_open, true);
same("a message to a user", (await client.chat.postMessage({ channel: ana, text: "paged" })).channel, dm);
same("delete", (await client.chat.delete({ channel: room, ts: reply.ts })).ok, true);
await errorOf("delete again", () => client.chat.delete({ channel: room, ts: reply.ts }), "message_not_found");

// --- marks
same("pin", (await client.pins.add({ channel: room, timestamp: posted.ts })).ok, true);
await errorOf("pin again", () => client.pins.add({ channel: room, timestamp: posted.ts }), "already_pinned");
same("pins", (await client.pins.list({ channel: room })).items.length, 1);
same("unpin", (await client.pins.remove({ channel: room, timestamp: posted.ts })).ok, true);
same("react", (await client.reactions.add({ channel: room, timestamp: posted.ts, name: "eyes" })).ok, true);
await errorOf("react again", () => client.reactions.add({ channel: room, timestamp: posted.ts, name: "eyes" }), "already_reacted");
same("reactions", (await client.reactions.get({ channel: room, timestamp: posted.ts })).message.reactions[0].count, 1);
same("unreact", (await client.reactions.remove({ channel: room, timestamp: posted.ts, name: "eyes" })).ok, true);
const bookmark = (await client.bookmarks.add({ channel_id: room, title: "Bridge", type: "link", link: "https://meet.example" })).bookmark;
same("bookmarks", (await client.bookmarks.list({ channel_id: room })).bookmarks.map((b) => b.id), [bookmark.id]);
same("edit", (await client.bookmarks.edit({ channel_id: room, bookmark_id: bookmark.id, title: "B" })).bookmark.title, "B");
same("remove", (await client.bookmarks.remove({ channel_id: room, bookmark_id: bookmark.id })).ok, true);

// --- files
const report = "# Post-mortem ☃\n";
const upload = await client.filesUploadV2({ channel_id: room, filename: "pm.md", title: "Post-mortem", content: report, initial_comment: "report" });
const file = upload.files[0].files[0];
same("the uploaded file", (await client.files.info({ file: file.id })).file.size, Buffer.byteLength(report));
const share = (await client.conversations.history({ channel: room, limit: 1 })).messages[0];
same("is shared as a message", [share.subtype, share.text, share.files[0].title], ["file_share", "report", "Post-mortem"]);

// --- views
const home = { type: "home", blocks };
const tab = (await client.views.publish({ user_id: ana, view: home })).view;
same("publish", tab.type, "home");
await errorOf("a stale home", () => client.views.publish({ user_id: ana, view: home, hash: "1.x" }), "hash_conflict");
const wrong = await errorOf("a bad home", () => client.views.publish({ user_id: ana, view: { type: "home", blocks: [{ type: "hero" }] } }), "invalid_arguments");
same("in Slack's words", wrong.response_metadata.messages[1], "[ERROR] unsupported type: hero [json-pointer:/view/blocks/0/type]");
await errorOf("no trigger", () => client.views.open({ trigger_id: "1.2.x", view: home }), "invalid_trigger_id");

// --- faults, retries, limits
await simulator("faults", { method: "team.info", fault: { rate_limited: { retry_after_s: 1 } } });
const begun = Date.now();
same("the client waits for Retry-After and tries again", (await client.team.info()).ok, true);
check("as long as told", Date.now() - begun >= 1000, Date.now() - begun);
await simulator("faults", { method: "team.info", fault: { rate_limited: { retry_after_s: 3 } } });
try {
  await impatient.team.info();
  check("429 is told", false);
} catch (error) {
  same("429 is told", [error.code, error.retryAfter], ["slack_webapi_rate_limited_error", 3]);
}
await simulator("faults", { method: "team.info", fault: { status: 503 } });
await errorOf("a 503", () => impatient.team.info(), "slack_webapi_http_error");
await simulator("faults", { method: "chat.postMessage", fault: "lose_answer_after" });
await errorOf("a lost answer", () => impatient.chat.postMessage({ channel: "many-0", text: "once" }), "slack_webapi_request_error");
await simulator("faults", { method: "team.info", fault: "lose_answer_before" });
same("the client tries again after a cut connection", (await client.team.info()).ok, true);
const many = (await simulator("workspace")).channels.find((channel) => channel.name === "many-0");
same("what was done stays done", many.messages.map((m) => m.text), ["once"]);
await simulator("limits", { enforce: true });
const pace = Date.now();
for (let n = 0; n < 7; n++) await client.chat.postMessage({ channel: "many-1", text: `${n}` });
check("seven messages in one channel take two seconds", Date.now() - pace >= 1000, Date.now() - pace);

// --- the end of a channel
same("archive", (await client.conversations.archive({ channel: room })).ok, true);
await errorOf("archive again", () => client.conversations.archive({ channel: room }), "already_archived");
await errorOf("update in an archived channel", () => client.chat.update({ channel: room, ts: posted.ts, text: "x" }), "is_inactive");
await errorOf("unarchive by a bot", () => client.conversations.unarchive({ channel: room }), "not_in_channel");

const calls = await simulator("calls");
check("the client sends its token in the header", calls.filter((c) => c.method === "team.info").every((c) => c.token_in_header));
console.log(`${passed} checks passed`);
