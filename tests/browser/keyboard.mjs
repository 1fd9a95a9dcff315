// Everything by keyboard alone; then the same page on a phone.

import { App, button, input, mrkdwn, plain } from "./app.mjs";
import { assert, call, field, isAccessible, message, person, sees, shot, simulate, test, until } from "./kit.mjs";

const active = (page) => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "");

await test(async () => {
  const app = await new App().start();
  await call("chat.postMessage", { channel: "#general", text: "a card", blocks: [{ type: "section", text: mrkdwn("a card") }, { type: "actions", elements: [button("Acknowledge", "ack")] }] });
  const ana = await person("ana", { place: "deploys" });

  // The people, the scenarios, the theme, the channels.
  await ana.locator('#rail [aria-checked="true"]').focus();
  await ana.keyboard.press("ArrowDown");
  await ana.waitForSelector('html[data-ready="bo"]');
  await until("the focus stays with the people", async () => /^Bo /.test(await active(ana)));
  await ana.keyboard.press("ArrowUp");
  await ana.waitForSelector('html[data-ready="ana"]');
  await until("the focus is at ana", async () => /^Ana /.test(await active(ana)));
  for (const expected of [/Scenarios/, /Light or dark/, /deploys/, /general/]) {
    await ana.keyboard.press("Tab");
    assert.match(await active(ana), expected);
  }
  await ana.keyboard.press("Enter");
  await sees(ana, "a card");

  // A message, its buttons, its tools, its menu; Escape gives the focus back.
  await field(ana).focus();
  await ana.keyboard.press("Shift+Tab");
  await ana.locator("#main .message").last().focus();
  await ana.keyboard.press("ArrowUp");
  await ana.keyboard.press("ArrowDown");
  assert.match(await active(ana), /^firebell, /);
  await ana.keyboard.press("Tab");
  assert.equal(await active(ana), "Acknowledge");
  await ana.keyboard.press("Enter");
  assert.equal((await app.hears("block_actions")).actions[0].action_id, "ack");
  for (let tab = 0; tab < 5; tab += 1) await ana.keyboard.press("Tab");
  assert.equal(await active(ana), "More actions");
  await ana.keyboard.press("Enter");
  await ana.getByRole("menu").waitFor();
  await ana.keyboard.press("ArrowDown");
  await ana.keyboard.press("Escape");
  assert.equal(await active(ana), "More actions");
  assert.equal(await ana.getByRole("menu").count(), 0);

  // A modal keeps the focus inside, and Escape closes it.
  await field(ana).focus();
  await ana.keyboard.type("/form");
  await ana.keyboard.press("Enter");
  const opened = await app.hears("/form");
  await call("views.open", { trigger_id: opened.trigger_id, view: { type: "modal", title: plain("Short"), submit: plain("Send"), blocks: [input("x", "Words", { type: "plain_text_input" })] } });
  const box = ana.locator("dialog.modal");
  await box.getByLabel("Words").waitFor();
  for (let tab = 0; tab < 8; tab += 1) {
    await ana.keyboard.press("Tab");
    // Between the last and the first the browser's own bar may have its turn; nothing of the page behind does.
    assert.ok(await ana.evaluate(() => document.activeElement === document.body || document.querySelector("dialog.modal").contains(document.activeElement)), "the focus stays inside");
  }
  await box.getByLabel("Words").focus();
  await ana.keyboard.type("typed");
  await ana.keyboard.press("Enter");
  assert.equal((await app.hears("view_submission")).view.state.values.x.x_input.value, "typed");
  await until("the modal is closed", async () => !(await box.evaluate((node) => node.open)));

  await ana.getByRole("button", { name: "Light or dark" }).press("Enter");
  await ana.getByRole("menuitem", { name: "As the system" }).waitFor();
  await isAccessible(ana, "a menu of the sidebar");
  await ana.keyboard.press("Escape");

  // New messages are said aloud.
  await simulate("types", { user: "bo", channel: "general", text: "look at the graphs" });
  await ana.locator("#said", { hasText: "Bo Lindqvist: look at the graphs" }).waitFor({ state: "attached" });

  // --- a phone
  const fay = await person("fay", { place: "", width: 375, height: 740, touch: true });
  const fits = async (what) => assert.ok(await fay.evaluate(() => document.documentElement.scrollWidth <= innerWidth && document.body.scrollWidth <= innerWidth), `${what} fits in the width`);
  await fay.locator('#channels [data-name="general"]').waitFor();
  await fits("the list");
  await isAccessible(fay, "the list on a phone");
  await shot(fay, "phone-list");
  await fay.locator('#channels [data-name="general"]').tap();
  await sees(fay, "a card");
  await fits("a channel");
  await isAccessible(fay, "a channel on a phone");
  await shot(fay, "phone-channel");
  await message(fay, "look at the graphs").tap();
  await fay.getByRole("button", { name: "Reply in thread" }).tap();
  await fay.locator(".thread .composer-field").fill("I do");
  await fay.locator(".thread .composer-field").press("Enter");
  await fay.locator(".thread .message", { hasText: "I do" }).waitFor();
  await fits("a thread");
  await shot(fay, "phone-thread");
  await fay.getByRole("button", { name: "Back to the channel" }).tap();
  await fay.getByRole("button", { name: "Back to the conversations" }).tap();
  await fay.locator('#channels [data-name="general"]').waitFor();
  await fay.getByRole("button", { name: "Scenarios" }).first().tap();
  await fay.getByText("There are no scenarios").waitFor();
  await fits("the scenarios");
});
