// Text that wants to be more than text stays text.

import { App } from "./app.mjs";
import { assert, call, person, sees, simulate, test } from "./kit.mjs";

const TEXTS = [
  '<img src=x onerror="globalThis.hit = 1">',
  "<script>globalThis.hit = 1</script>",
  "<javascript:globalThis.hit=1|click me>",
  "<data:text/html,<script>1</script>|click me>",
  "<https://example.com/\" onmouseover=\"globalThis.hit=1|a link>",
  "*<b>bold</b>* `<i>code</i>` ```<u>pre</u>```",
  "\u202egnp.exe\u202c and \u2066isolated\u2069",
  "<!date^not-a-number^{date}|<img onerror=1>>",
  "<@U0NOBODY> <#C0NOWHERE|<img>> <!subteam^S0NONE|@<b>all</b>>",
  "a".repeat(3000),
  "*_~`".repeat(700),
  "*a _b ~c ".repeat(4000),
];

await test(async () => {
  await new App().start();
  const ana = await person("ana", { width: 375, height: 700 });
  for (const text of TEXTS) {
    if (text.length <= 3000) await call("chat.postMessage", { channel: "#general", text, blocks: [{ type: "section", text: { type: "mrkdwn", text } }] });
    await call("chat.postMessage", { channel: "#general", text });
    await simulate("types", { user: "bo", channel: "general", text });
  }
  await call("conversations.setTopic", { channel: (await call("conversations.list", {})).channels[0].id, topic: '<img src=x onerror="hit=1">' });
  await simulate("types", { user: "bo", channel: "general", text: "the end" });
  await sees(ana, "the end");
  const slowest = await ana.evaluate(async (texts) => {
    const { mrkdwn } = await import("/page/mrkdwn.js");
    return Math.max(...texts.map((text) => { const begun = performance.now(); mrkdwn(text); return performance.now() - begun; }));
  }, TEXTS);
  console.log(`the slowest text takes ${slowest.toFixed(0)} ms`);
  assert.ok(slowest < 1000, `a text takes ${slowest} ms`);
  const found = await ana.evaluate(() => ({
    hit: globalThis.hit,
    elements: document.querySelectorAll("#main img, #main script, #main iframe, #main b, #main u, [onerror], [onmouseover]").length,
    addresses: [...document.querySelectorAll("#main .text a")].map((link) => link.protocol),
    wide: document.documentElement.scrollWidth > innerWidth,
  }));
  assert.equal(found.hit, undefined);
  assert.equal(found.elements, 0, "no element came out of a text");
  assert.ok(found.addresses.every((protocol) => ["http:", "https:", "mailto:"].includes(protocol)), found.addresses.join(" "));
  assert.equal(found.wide, false, "nothing makes the page wider than the phone");
  const text = await ana.locator("#main .messages").textContent();
  assert.ok(text.includes('<img src=x onerror="globalThis.hit = 1">'), "it is read as it was written");
});

// A page of another origin, or one that had its name point here, is not let in.
const origin = process.argv[2];
const status = async (headers, method = "GET") => {
  const { request } = await import("node:http");
  const { hostname, port } = new URL(origin);
  return new Promise((done, fail) => {
    const asked = request({ hostname, port, path: method === "GET" ? "/page/state?as=ana" : "/page/do/type", method, headers }, (answer) => done(answer.resume().statusCode));
    asked.on("error", fail);
    asked.end(method === "POST" ? '{"as":"ana","channel":"general","text":"forged"}' : undefined);
  });
};
assert.equal(await status({}), 200);
assert.equal(await status({ host: "evil.example" }), 403);
assert.equal(await status({ origin: "https://evil.example" }), 403);
assert.equal(await status({ "sec-fetch-site": "cross-site" }), 403);
assert.equal(await status({ origin: "https://evil.example", "content-type": "application/json" }, "POST"), 403);
assert.equal(await status({ "content-type": "text/plain" }, "POST"), 415);
