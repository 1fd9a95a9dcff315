// @slack/socket-mode (npm) as a peer of the simulator's Socket Mode: opens, acknowledges, reconnects.
//
// Usage: socket_mode_peer.mjs http://127.0.0.1:PORT   (a fresh workspace with default options)

import { createRequire } from "node:module";
import path from "node:path";

const installed = process.env.FIREBELL_PEERS ?? path.resolve("target/peers");
const require = createRequire(path.join(installed, "node_modules", "peer.js"));
const { SocketModeClient, LogLevel } = require("@slack/socket-mode");

const origin = process.argv[2].replace(/\/$/, "");
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

async function simulator(where, body) {
  const answer = await fetch(`${origin}/simulator/${where}`, {
    method: body ? "POST" : "GET",
    headers: { "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  return answer.json();
}

function makeClient(appToken) {
  return new SocketModeClient({
    appToken,
    logLevel: LogLevel.ERROR,
    // Its pause before a reconnect, and its own pings, are made of this.
    clientPingTimeout: 600,
    clientOptions: { slackApiUrl: `${origin}/api/`, logLevel: LogLevel.ERROR, retryConfig: { retries: 0 } },
  });
}

const next = (client, event) => new Promise((resolve) => client.once(event, resolve));

// --- tokens
try {
  await makeClient("xapp-no").start();
  check("a wrong token opens nothing", false);
} catch (error) {
  same("a wrong token", error.data?.error, "invalid_auth");
}

// --- a connection
await simulator("socket_mode", {});
await simulator("users", { name: "ana" });
await simulator("channels", { name: "ops", members: ["ana", "firebell"] });
const client = makeClient("xapp-1-simulator");
const received = [];
client.on("slack_event", ({ type, body, ack, ...rest }) => received.push({ type, body, ...rest }));
client.on("slash_commands", async ({ body, ack, accepts_response_payload }) => {
  same("a slash command takes a payload", accepts_response_payload, true);
  await ack({ response_type: "ephemeral", text: `you said ${body.text}` });
});
client.on("interactive", async ({ body, ack }) => {
  if (body.type === "view_submission") {
    await ack({ response_action: "errors", errors: { title: "too short" } });
  } else {
    await ack();
  }
});
client.on("app_home_opened", async ({ ack }) => ack());
client.on("reaction_added", async ({ ack }) => ack());
client.on("message", async ({ ack }) => ack());
await client.start();
same("one connection is open", (await simulator("sockets")).open.length, 1);

// --- a slash command, answered in its acknowledgement
let answer = await simulator("types", { user: "ana", channel: "ops", text: "/incident declare p1 & more" });
same("the command is answered", answer.status, 200);
same("the answer is shown", answer.shown.map((message) => message.text), ["you said declare p1 &amp; more"]);
const command = received.find((it) => it.type === "slash_commands");
same("the command's name", command.body.command, "/incident");
check("the trigger", /^\d+\.\d+\.[0-9a-f]{32}$/.test(command.body.trigger_id), command.body.trigger_id);

// --- an interaction
answer = await simulator("shortcuts", { user: "ana", callback_id: "declare_incident" });
same("the shortcut is acknowledged", [answer.status, answer.body], [200, ""]);
const shortcut = received.find((it) => it.type === "interactive");
same("the shortcut's id", [shortcut.body.type, shortcut.body.callback_id], ["shortcut", "declare_incident"]);

// --- an event
answer = await simulator("types", { user: "ana", channel: "ops", text: "hello" });
await simulator("reacts", { user: "ana", channel: "ops", ts: answer.ts, emoji: "pushpin" });
await simulator("settle", {});
const reaction = received.find((it) => it.body?.event?.type === "reaction_added");
same("the reaction", [reaction.body.event.reaction, reaction.retry_num, reaction.retry_reason], ["pushpin", 0, ""]);
const deliveries = await simulator("deliveries");
check("every event is acknowledged", deliveries.every((delivery) => delivery.status === 200), deliveries);
check("an event is sent again", (await simulator("redeliver", { event_id: reaction.body.event_id })).ok);
const again = received.filter((it) => it.body?.event_id === reaction.body.event_id);
same("with the same id, and why", again.map((it) => [it.retry_num, it.retry_reason]), [[0, ""], [1, "timeout"]]);

// --- a disconnect: the client connects again
const before = (await simulator("sockets")).open;
const connected = next(client, "connected");
await simulator("sockets", { order: "disconnect", socket: before[0], reason: "warning" });
await connected;
const after = (await simulator("sockets")).open;
check("another connection is open", after.some((id) => !before.includes(id)), { before, after });
answer = await simulator("types", { user: "ana", channel: "ops", text: "/incident list" });
same("it answers on the new one", answer.shown.map((message) => message.text), ["you said list"]);

// --- a broken line: the client connects again
const back = next(client, "connected");
for (const socket of (await simulator("sockets")).open) {
  await simulator("sockets", { order: "drop", socket });
}
await back;
answer = await simulator("types", { user: "ana", channel: "ops", text: "/incident help" });
same("and again", answer.shown.map((message) => message.text), ["you said help"]);

const { faults, envelopes } = await simulator("sockets");
same("the client broke no rule", faults, []);
check("each envelope once", envelopes.every((it) => it.acked_on.length === 1), envelopes);
await client.disconnect();
console.log(`${passed} checks passed`);
process.exit(0);
