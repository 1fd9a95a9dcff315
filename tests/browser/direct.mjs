// Two people write to each other; the app and everybody else hear nothing of it.

import { App } from "./app.mjs";
import { assert, field, isAccessible, person, sees, shot, test, types, until } from "./kit.mjs";

await test(async () => {
  const app = await new App().start();
  const ana = await person("ana");
  const bo = await person("bo", { scheme: "dark" });
  const fay = await person("fay", { place: "", width: 375, height: 740, touch: true });

  // By keyboard: the button, the person, the words.
  await ana.getByRole("button", { name: "New direct message" }).press("Enter");
  await ana.getByRole("menu", { name: "New direct message" }).waitFor();
  assert.equal(await ana.getByRole("menuitem").count(), 5, "everybody else");
  await isAccessible(ana, "with whom to begin a direct message");
  await shot(ana, "direct-begin");
  await ana.getByRole("menuitem", { name: /^Bo Lindqvist/ }).press("Enter");
  await ana.getByRole("heading", { name: "Bo Lindqvist", level: 1 }).waitFor();
  await until("the composer has the focus", () => field(ana).evaluate((node) => node === document.activeElement));
  assert.equal(await bo.locator('#channels [data-name="@ana"]').count(), 0, "nothing was said yet");
  await types(ana, "Shall I take over the :fire: tonight?");

  // It reaches bo while he looks elsewhere, with a mark that goes when he reads.
  const row = bo.locator('#channels [data-name="@ana"]');
  await row.locator(".count", { hasText: "1" }).waitFor();
  await bo.getByRole("link", { name: "Ana Ruiz 1 unread" }).waitFor();
  assert.match(await bo.title(), /^\(1\)/);
  await bo.locator("#said", { hasText: "New message from Ana Ruiz" }).waitFor({ state: "attached" });
  await isAccessible(bo, "an unread direct message in the dark");
  await shot(bo, "direct-unread-dark");
  await row.click();
  await sees(bo, "Shall I take over");
  await row.locator(".count").waitFor({ state: "detached" });
  await types(bo, "Please do: I have slept for three hours.");
  await sees(ana, "I have slept");
  await isAccessible(ana, "a direct message of two people");
  await shot(ana, "direct");
  await shot(bo, "direct-dark");

  // There is one for the two, whoever begins it.
  await bo.getByRole("button", { name: "New direct message" }).click();
  await bo.getByRole("menuitem", { name: /^Ana Ruiz/ }).click();
  await sees(bo, "I have slept");
  assert.equal(await bo.locator('#channels [data-name="@ana"]').count(), 1);

  // On a phone; and it is nobody else's affair.
  assert.equal(await fay.locator('#channels [data-name^="@"]').count(), 0);
  await fay.getByRole("button", { name: "New direct message" }).tap();
  await shot(fay, "direct-begin-phone");
  await fay.getByRole("menuitem", { name: /^Dee Tanaka/ }).tap();
  await fay.getByText("just between you and Dee Tanaka").waitFor();
  await types(fay, "Are you there?");
  await sees(fay, "Are you there?");
  await isAccessible(fay, "a direct message on a phone");
  await shot(fay, "direct-phone");
  assert.deepEqual(app.received, [], "the app hears nothing");
});
