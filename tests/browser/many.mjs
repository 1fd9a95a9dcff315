// A channel with 5,000 messages: how long it takes to open it, to scroll to its beginning, and to show a new message.

import { assert, person, simulate, test, until } from "./kit.mjs";

/** Generous: the machine may be busy with other tests. What is measured is printed. */
const MOST_MS = { open: 3000, scroll: 30_000, fresh: 2000 };

await test(async () => {
  const ana = await person("ana", { place: "deploys" });
  const took = {};
  const timed = async (name, deed) => {
    const begun = Date.now();
    await deed();
    took[name] = Date.now() - begun;
  };
  const newest = ana.locator("#main .message", { hasText: "message 5000" });
  await timed("open", async () => {
    await ana.locator('#channels [data-name="general"]').click();
    await newest.waitFor();
  });
  assert.ok((await ana.locator("#main .message").count()) <= 120, "only the newest are there at first");

  // A new message changes nothing but its own row.
  await ana.evaluate(() => {
    globalThis.touched = new Set();
    new MutationObserver((all) => all.forEach((one) => [...one.addedNodes].forEach((node) => node.classList?.contains("message") && globalThis.touched.add(node.dataset.ts)))).observe(document.querySelector("#main .messages"), { childList: true, subtree: true });
  });
  await timed("new message, at the end", async () => {
    await simulate("types", { user: "bo", channel: "general", text: "and one more" });
    await ana.locator("#main .message", { hasText: "and one more" }).waitFor();
  });
  assert.equal(await ana.evaluate(() => globalThis.touched.size), 1, "one row was made");

  await timed("scroll to the beginning", () =>
    until("the beginning", async () => {
      await ana.evaluate(() => (document.querySelector("#main .scroller").scrollTop = 0));
      return (await ana.locator("#main .begin-words").count()) === 1;
    }),
  );
  await ana.locator("#main .message", { hasText: /message 1:/ }).waitFor();
  const rows = await ana.locator("#main .message").count();
  assert.ok(rows <= 500, `${rows} rows: a window is there, not all of them`);
  await timed("new message, far below", async () => {
    await simulate("types", { user: "bo", channel: "general", text: "far below" });
    await ana.getByRole("button", { name: "New messages" }).waitFor();
  });
  // And down again for a while: what had gone comes back, in order and without a gap.
  for (const wanted of [/message 300:/, /message 600:/, /message 900:/]) {
    await until(String(wanted), async () => {
      await ana.evaluate(() => (document.querySelector("#main .scroller").scrollTop += 2500));
      return (await ana.locator("#main .message", { hasText: wanted }).count()) === 1;
    });
  }
  const numbers = await ana.evaluate(() => [...document.querySelectorAll("#main .message .text")].map((text) => Number(text.textContent.match(/^message (\d+)/)[1])));
  assert.ok(numbers.every((number, at) => at === 0 || number === numbers[at - 1] + 1), "no gap");
  await timed("jump to the end", async () => {
    await ana.getByRole("button", { name: "New messages" }).click();
    await ana.locator("#main .message", { hasText: "far below" }).waitFor();
  });
  await timed("new message, at the end again", async () => {
    await simulate("types", { user: "bo", channel: "general", text: "the last" });
    await ana.locator("#main .message", { hasText: "the last" }).waitFor();
  });
  await until("the oldest rows are let go", async () => (await ana.locator("#main .message").count()) <= 400);
  console.log(`5,000 messages, in ms: ${JSON.stringify(took)}`);
  assert.ok(took.open < MOST_MS.open, "opening");
  assert.ok(took["scroll to the beginning"] < MOST_MS.scroll, "scrolling");
  for (const [name, ms] of Object.entries(took).filter(([name]) => name.startsWith("new"))) assert.ok(ms < MOST_MS.fresh, name);
});
