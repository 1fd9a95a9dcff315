// The journey of an incident, from the line that declares it to the post-mortem on one's own disk; a second person
// looks on and sees everything as it happens.

import { readFileSync } from "node:fs";
import { assert, field, isAccessible, message, opens, person, sees, shot, test, types, until } from "./kit.mjs";

/** Tells people how things stand, in the form. */
async function postsAnUpdate(page, text) {
  await types(page, "/incident update");
  const form = page.locator("dialog[open]", { hasText: "Status update" });
  await form.waitFor();
  await isAccessible(page, "the form of an update");
  await form.getByLabel("How do things stand?").fill(text);
  await form.getByLabel("Next steps").fill("watch the error rate");
  await shot(page, "update-form");
  await form.getByRole("button", { name: "Post" }).click();
  await form.waitFor({ state: "detached" });
}

await test(async () => {
  const ana = await person("ana");
  const bo = await person("bo", { place: "incidents", scheme: "dark" });

  await field(ana).pressSequentially("/inc");
  await ana.locator(".offers li", { hasText: "/incident" }).waitFor();
  const marked = ana.locator(`[id="${await field(ana).getAttribute("aria-activedescendant")}"]`);
  assert.match(await marked.textContent(), /^\/incident/, "the field points at what is offered");
  await ana.locator("#said", { hasText: "1 suggestion" }).waitFor({ state: "attached" });
  await isAccessible(ana, "a slash command being typed");
  await field(ana).press("Tab");
  await field(ana).pressSequentially("declare p1 checkout is down");
  await ana.locator(".usage", { hasText: "/incident" }).waitFor();
  await field(ana).press("Enter");
  await ana.locator(".message.ephemeral", { hasText: "Only visible to you" }).waitFor();

  // The announcement reaches bo, who looks at #incidents, and the war room both.
  await sees(bo, "checkout is down");
  const room = ana.locator('#channels [data-name^="incident-"]');
  await room.waitFor();
  const name = await room.getAttribute("data-name");
  await shot(bo, "announcement-dark");
  await opens(ana, name);
  await ana.getByRole("button", { name: "1 pinned" }).waitFor();
  await shot(ana, "war-room-declared");

  await bo.getByText(/Other channels/).click();
  await opens(bo, name);
  await bo.getByRole("button", { name: "Join channel" }).click();
  await field(bo).waitFor();
  await sees(ana, "joined the channel");

  const card = ana.locator(".message.pinned").first();
  await card.getByRole("button", { name: "Acknowledge" }).click();
  await sees(bo, "Acknowledged by");
  await bo.locator(".message.pinned", { hasText: "Acknowledged by:" }).waitFor();
  await until("the button is gone", async () => (await card.getByRole("button", { name: "Acknowledge" }).count()) === 0);

  await types(bo, "The pool of connections is empty: rolling back `checkout-api` to *v412*");
  await message(ana, "rolling back").hover();
  await ana.getByRole("button", { name: "React with eyes" }).click();
  await message(bo, "rolling back").getByRole("button", { name: "eyes, 1" }).click();
  await message(ana, "rolling back").getByRole("button", { name: "eyes, 2" }).waitFor();

  await message(ana, "rolling back").hover();
  await ana.getByRole("button", { name: "Reply in thread" }).click();
  await ana.locator(".thread .composer-field").fill("How long will it take? :hourglass_flowing_sand:");
  await ana.locator(".thread .composer-field").press("Enter");
  await bo.locator(".thread-summary", { hasText: "1 reply" }).click();
  await bo.locator(".thread .message", { hasText: "How long" }).waitFor();
  await bo.locator(".thread .composer-field").fill("Three minutes");
  await bo.locator(".thread .composer-field").press("Enter");
  await ana.locator(".thread .message", { hasText: "Three minutes" }).waitFor();
  await isAccessible(ana, "a war room with a thread");
  await shot(ana, "war-room-thread");
  await ana.getByRole("button", { name: "Close thread" }).click();

  await postsAnUpdate(ana, "rolled back, errors are falling");
  await sees(bo, "errors are falling");
  await shot(ana, "war-room");
  await shot(bo, "war-room-dark");

  await types(ana, "/incident resolve the pool of connections was too small");
  await bo.locator(".message.pinned", { hasText: "RESOLVED" }).waitFor();
  await isAccessible(bo, "a war room in the dark");

  await types(ana, "/incident export");
  const file = ana.locator(".file-row").last();
  await file.waitFor();
  await file.locator(".file").click();
  await ana.locator("dialog[open] .document", { hasText: "checkout is down" }).waitFor();
  await isAccessible(ana, "a file before one");
  await shot(ana, "postmortem");
  const [download] = await Promise.all([ana.waitForEvent("download"), ana.locator("dialog[open] .box-foot a").click()]);
  const saved = readFileSync(await download.path(), "utf8");
  assert.match(saved, /checkout is down/);
  assert.match(saved, /errors are falling/);
  assert.match(download.suggestedFilename(), /\.md$/);
  await ana.keyboard.press("Escape");

  // Somebody else, without leaving the page.
  await ana.getByRole("radio", { name: /^Cy/ }).click();
  await ana.waitForSelector('html[data-ready="cy"]');
  await ana.locator(".team-person", { hasText: "Cy" }).waitFor();
  await ana.locator(".composer-bar", { hasText: "Join channel" }).waitFor();
});
