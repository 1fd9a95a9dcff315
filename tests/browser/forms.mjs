// Everything that an app can show and ask: blocks, menus, confirmations, modals with every input, errors, updates,
// the home tab, shortcuts, and an app that does not answer.

import { App, button, input, mrkdwn, option, plain } from "./app.mjs";
import { assert, call, field, isAccessible, message, opens, origin, person, sees, shot, test, types, until } from "./kit.mjs";

const MENU = { type: "overflow", action_id: "more", options: [option("Escalate"), option("Reopen")] };
const SURE = { title: plain("Resolve it?"), text: mrkdwn("*Everybody* will be told."), confirm: plain("Resolve"), deny: plain("Not yet"), style: "danger" };

const BLOCKS = [
  { type: "header", text: plain("Every block :bell:") },
  { type: "section", text: mrkdwn("*bold* _slanted_ ~gone~ `code` <https://example.com|a link> <!date^1757860200^{date_short} {time}|then>"), accessory: { ...MENU, action_id: "menu" } },
  { type: "section", fields: [mrkdwn("*Severity*\nP1"), mrkdwn("*Status*\nInvestigating"), mrkdwn("> quoted\nplain"), plain("plain *stars*")] },
  { type: "divider" },
  { type: "context", elements: [mrkdwn("declared by <!here> :eyes:"), plain("and plain words")] },
  { type: "rich_text", elements: [
    { type: "rich_text_section", elements: [{ type: "text", text: "rich ", style: { bold: true } }, { type: "emoji", name: "fire" }] },
    { type: "rich_text_list", style: "ordered", elements: [{ type: "rich_text_section", elements: [{ type: "text", text: "first" }] }, { type: "rich_text_section", elements: [{ type: "text", text: "second" }] }] },
    { type: "rich_text_quote", elements: [{ type: "text", text: "so they said" }] },
    { type: "rich_text_preformatted", elements: [{ type: "text", text: "let x = 1;" }] },
  ] },
  { type: "image", image_url: `${origin}/page/icon.svg`, alt_text: "a graph of errors", title: plain("Errors") },
  { type: "actions", elements: [
    button("Acknowledge", "ack", { style: "primary" }),
    button("Resolve", "resolve", { style: "danger", confirm: SURE }),
    { type: "static_select", action_id: "severity", placeholder: plain("Severity"), options: [option("P1"), option("P2")] },
    { type: "users_select", action_id: "who", placeholder: plain("Who takes it?") },
    { type: "datepicker", action_id: "day" },
  ] },
];

const text = (words, style) => ({ type: "text", text: words, ...(style ? { style } : {}) });
const section = (...elements) => ({ type: "rich_text_section", elements });
const BEGUN = {
  type: "rich_text",
  elements: [
    section(text("Ask "), { type: "broadcast", range: "here" }, text(" first\nthen ", { italic: true }), { type: "link", url: "https://example.com/status", text: "tell" }, text("\n\nall")),
    { type: "rich_text_list", style: "bullet", indent: 0, elements: [section(text("support")), section({ type: "emoji", name: "eyes" }, text(" press"))] },
    { type: "rich_text_list", style: "ordered", indent: 1, elements: [section(text("paper"))] },
    { type: "rich_text_quote", elements: [text("no news\nis good news")] },
    { type: "rich_text_preformatted", elements: [text("curl -i\n  exit")] },
  ],
};
/** By keyboard and by buttons: a line with marks, lists, a quote, a block, a link; then what must not get in. */
async function writesNotes(page, box) {
  const notes = box.getByRole("textbox", { name: "Notes" });
  const { keyboard } = page;
  const pressed = (name) => box.getByRole("toolbar").first().getByRole("button", { name, exact: true });
  await notes.click();
  await keyboard.type("The pool is ");
  await keyboard.press("Control+b");
  assert.equal(await pressed("Bold").getAttribute("aria-pressed"), "true");
  await box.getByRole("status").filter({ hasText: "Bold on" }).waitFor();
  await keyboard.type("empty");
  await keyboard.press("Control+b");
  await keyboard.type(" :fire: see ");
  await keyboard.press("Control+Shift+c");
  await keyboard.type("max=5");
  await keyboard.press("Control+Shift+c");
  await keyboard.type(" and ");
  await keyboard.press("Control+i");
  await keyboard.press("Control+Shift+x");
  await keyboard.type("wait");
  await keyboard.press("Control+Shift+x");
  await keyboard.press("Control+i");
  await keyboard.press("Enter");
  await keyboard.type("act: ");
  await keyboard.press("Control+Shift+u");
  await page.getByLabel("Address of the link").fill("javascript:alert(1)");
  await keyboard.press("Enter");
  await page.getByText("That is no address of a page.").waitFor();
  await page.getByLabel("Address of the link").fill("https://example.com/runbook");
  await keyboard.press("Enter");
  await keyboard.press("Enter");
  await pressed("Bulleted list").click();
  await keyboard.type("roll back");
  await keyboard.press("Enter");
  await keyboard.type("look");
  await keyboard.press("Enter");
  await keyboard.press("Enter");
  await keyboard.press("Control+Shift+7");
  await keyboard.type("wait");
  await keyboard.press("Enter");
  await keyboard.press("Enter");
  await pressed("Quote").click();
  await keyboard.type("it was the <b>cache</b>");
  await keyboard.press("Enter");
  await pressed("Quote").click();
  await pressed("Code block").click();
  await keyboard.type("SHOW pools;");
  // What comes from elsewhere comes as words.
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.setData("text/html", "<img src=x onerror=alert(1)><b>pasted</b>");
    data.setData("text/plain", " -- pasted");
    document.activeElement.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  });
}
const NOTES = [
  section(text("The pool is "), text("empty", { bold: true }), text(" "), { type: "emoji", name: "fire" }, text(" see "), text("max=5", { code: true }), text(" and "), text("wait", { italic: true, strike: true }), text("\nact: "), { type: "link", url: "https://example.com/runbook", text: "https://example.com/runbook" }),
  { type: "rich_text_list", style: "bullet", indent: 0, elements: [section(text("roll back")), section(text("look"))] },
  { type: "rich_text_list", style: "ordered", indent: 0, elements: [section(text("wait"))] },
  { type: "rich_text_quote", elements: [text("it was the <b>cache</b>")] },
  { type: "rich_text_preformatted", elements: [text("SHOW pools; -- pasted")] },
];

const FIELDS = [
  input("title", "Title", { type: "plain_text_input", max_length: 60, focus_on_load: true }, { hint: plain("As people would say it") }),
  input("impact", "Impact", { type: "plain_text_input", multiline: true }, { optional: true }),
  input("mail", "Mail", { type: "email_text_input" }, { optional: true }),
  input("page", "Status page", { type: "url_text_input" }, { optional: true }),
  input("hurt", "People affected", { type: "number_input", is_decimal_allowed: false, min_value: "1" }, { optional: true }),
  input("severity", "Severity", { type: "static_select", options: [option("P1"), option("P2"), option("P3")], initial_option: option("P2") }, { dispatch_action: true }),
  input("labels", "Labels", { type: "multi_static_select", options: [option("Database"), option("Network"), option("Deploy")] }, { optional: true }),
  input("lead", "Commander", { type: "users_select" }, { optional: true }),
  input("crew", "Crew", { type: "multi_users_select" }, { optional: true }),
  input("where", "Where", { type: "channels_select" }, { optional: true }),
  input("talk", "Conversation", { type: "conversations_select" }, { optional: true }),
  input("service", "Service", { type: "external_select", min_query_length: 1 }, { optional: true }),
  input("told", "Told", { type: "checkboxes", options: [option("Support"), option("Press")] }, { optional: true }),
  input("kind", "Kind", { type: "radio_buttons", options: [option("Outage"), option("Breach")], initial_option: option("Outage") }),
  input("date", "Day", { type: "datepicker", initial_date: "2025-09-14" }),
  input("time", "Time", { type: "timepicker" }, { optional: true }),
  input("moment", "Moment", { type: "datetimepicker" }, { optional: true }),
  input("proof", "Proof", { type: "file_input", filetypes: ["log", "png"], max_files: 2 }, { optional: true }),
  input("notes", "Notes", { type: "rich_text_input", placeholder: plain("What was tried?") }, { optional: true }),
  input("told_so_far", "Told so far", { type: "rich_text_input", initial_value: BEGUN }, { optional: true }),
];
const modal = (title, blocks, more = {}) => ({ type: "modal", title: plain(title), submit: plain("Declare"), close: plain("Cancel"), private_metadata: "kept", notify_on_close: true, blocks, ...more });

await test(async () => {
  const app = await new App().start();
  const ana = await person("ana");
  const box = ana.locator("dialog.modal");

  // --- a message with every block
  const { ts } = await call("chat.postMessage", { channel: "#general", text: "every block", blocks: BLOCKS });
  const shown = ana.locator(`.message[data-ts="${ts}"]`);
  await shown.locator(".header", { hasText: "Every block" }).waitFor();
  await shown.locator("strong", { hasText: "bold" }).waitFor();
  assert.equal(await shown.locator("a", { hasText: "a link" }).getAttribute("rel"), "noopener noreferrer nofollow");
  assert.equal(await shown.locator("ol > li").count(), 2);
  await isAccessible(ana, "a message with every block");
  await shot(ana, "blocks");

  await shown.getByRole("button", { name: "Acknowledge" }).click();
  assert.equal((await app.hears("block_actions")).actions[0].action_id, "ack");
  await shown.getByRole("button", { name: "Resolve" }).click();
  await ana.getByRole("dialog", { name: "Resolve it?" }).waitFor();
  await isAccessible(ana, "a question before an action");
  await ana.getByRole("button", { name: "Not yet" }).click();
  await shown.getByRole("button", { name: "Resolve" }).click();
  await ana.getByRole("dialog").getByRole("button", { name: "Resolve" }).click();
  assert.equal((await app.hears("block_actions")).actions[0].action_id, "resolve", "only what was agreed to is sent");
  await shown.getByRole("combobox", { name: "Severity" }).selectOption("p2");
  assert.equal((await app.hears("block_actions")).actions[0].selected_option.value, "p2");
  await shown.getByRole("combobox", { name: "Who takes it?" }).selectOption({ label: "Bo Lindqvist" });
  assert.match((await app.hears("block_actions")).actions[0].selected_user, /^U/);
  await shown.getByRole("button", { name: "More actions" }).first().click();
  await ana.getByRole("menuitem", { name: "Reopen" }).click();
  assert.equal((await app.hears("block_actions")).actions[0].selected_option.value, "reopen");

  // --- an edit in place, an ephemeral, and an app that fails
  await call("chat.update", { channel: (await call("conversations.list", {})).channels[0].id, ts, text: "changed in place", blocks: [{ type: "section", text: mrkdwn("changed *in place*") }] });
  await sees(ana, "changed in place");
  app.answersTo("/form", { body: { text: "Only you know. :lock:" } });
  await types(ana, "/form");
  const whisper = ana.locator(".message.ephemeral", { hasText: "Only you know" });
  await whisper.getByText("Only visible to you").waitFor();
  await whisper.getByRole("button", { name: "Dismiss" }).click();
  await whisper.waitFor({ state: "detached" });
  app.answersTo("/form", { status: 500 });
  await types(ana, "/form");
  await sees(ana, "/form failed with the error \"dispatch_failed\"");
  await types(ana, "/nonsense");
  await sees(ana, "/nonsense is not a valid command.");

  // --- a modal with every input
  await app.hears("/form");
  await app.hears("/form");
  await types(ana, "/form");
  const { trigger_id } = await app.hears("/form");
  const { view } = await call("views.open", { trigger_id, view: modal("Declare an incident", FIELDS) });
  await box.getByRole("heading", { name: "Declare an incident" }).waitFor();
  assert.equal(await box.getByLabel("Title").evaluate((node) => node === document.activeElement), true, "focus_on_load");
  await isAccessible(ana, "a modal with every input");
  await shot(ana, "modal");

  await box.getByRole("button", { name: "Declare" }).click();
  await box.getByText("Please complete this required field.").waitFor();
  assert.equal(await box.getByLabel("Title").getAttribute("aria-invalid"), "true");
  await isAccessible(ana, "a modal with an error");
  await box.getByLabel("Title").fill("Checkout is down");
  await box.getByLabel("Mail").fill("nowhere");
  await box.getByRole("button", { name: "Declare" }).click();
  await box.getByText("Please enter a valid email address.").waitFor();
  await box.getByLabel("Mail").fill("ana@example.com");
  await box.getByLabel("Impact").fill("Nobody can pay");
  await box.getByLabel("People affected").fill("1200");

  // What was typed outlives an update of the view, which a select of it brings about.
  await box.getByRole("combobox", { name: "Severity" }).selectOption("p1");
  const action = await app.hears("block_actions");
  assert.equal(action.actions[0].selected_option.value, "p1");
  assert.equal(action.view.state.values.title.title_input.value, "Checkout is down");
  assert.equal(action.view.private_metadata, "kept");
  const warning = { type: "section", block_id: "warning", text: mrkdwn(":rotating_light: A P1 wakes people up.") };
  await call("views.update", { view_id: view.id, view: modal("Declare an incident", [warning, ...FIELDS]) });
  await box.getByText("A P1 wakes people up.").waitFor();
  assert.equal(await box.getByLabel("Title").inputValue(), "Checkout is down");
  assert.equal(await box.getByLabel("Impact").inputValue(), "Nobody can pay");
  assert.equal(await box.getByRole("combobox", { name: "Severity" }).inputValue(), "p1");

  await box.getByRole("combobox", { name: "Labels" }).selectOption("deploy");
  await box.getByRole("combobox", { name: "Labels" }).selectOption("network");
  await box.getByRole("button", { name: "Take Deploy away" }).click();
  await box.getByRole("combobox", { name: "Crew" }).selectOption({ label: "Cy Okafor" });
  await box.getByRole("combobox", { name: "Where" }).selectOption({ label: "#general" });
  app.answersTo("block_suggestion", { body: { options: [option("Checkout"), option("Checkbook")] } });
  await box.getByRole("combobox", { name: "Service" }).pressSequentially("check");
  await box.getByRole("option", { name: "Checkbook" }).waitFor();
  await box.getByRole("combobox", { name: "Service" }).press("Enter");
  await box.getByRole("button", { name: "Take Checkout away" }).waitFor();
  await box.getByLabel("Press").check();
  await box.getByLabel("Breach").check();
  await box.getByRole("combobox", { name: "Severity" }).selectOption("p3");
  await box.locator("input[type=time]").fill("09:41");
  await box.locator("input[type=datetime-local]").fill("2025-09-14T09:41");

  const log = (name) => ({ name, mimeType: "text/plain", buffer: Buffer.from("no connection left") });
  await box.getByLabel("Proof").setInputFiles([log("a.log"), log("b.log")]);
  await box.getByText("b.log 18 bytes").waitFor();
  await box.getByLabel("Proof").setInputFiles(log("c.log"));
  await box.getByText("No more than 2 files can be added.").waitFor();
  await box.getByRole("button", { name: "Take a.log away" }).click();
  assert.ok(await box.getByLabel("Proof").evaluate((node) => node === document.activeElement));
  await box.getByLabel("Proof").setInputFiles(log("notes.exe"));
  await box.getByText("notes.exe is not of a kind that is taken here: log, png.").waitFor();
  await writesNotes(ana, box);
  await isAccessible(ana, "files and rich text in a form");
  await shot(ana, "modal-rich");
  await ana.emulateMedia({ colorScheme: "dark" });
  await isAccessible(ana, "files and rich text in the dark");
  await shot(ana, "modal-rich-dark");
  await ana.setViewportSize({ width: 375, height: 740 });
  assert.ok(await box.evaluate((node) => [node, ...node.querySelectorAll(".modal-body, .rich-tools")].every((part) => part.scrollWidth <= part.clientWidth)), "it fits on a phone");
  await shot(ana, "modal-rich-phone");
  await ana.emulateMedia({ colorScheme: "light" });
  await ana.setViewportSize({ width: 1280, height: 800 });
  await box.getByText("Told so far").click();
  await ana.keyboard.type("x");
  await ana.keyboard.press("Backspace");

  app.answersTo("view_submission", { body: { response_action: "errors", errors: { title: "There is such an incident already." } } });
  await box.getByRole("button", { name: "Declare" }).click();
  await box.getByText("There is such an incident already.").waitFor();
  assert.equal(await box.getByLabel("Title").evaluate((node) => node === document.activeElement), true, "the focus is at the error");
  await app.hears("view_submission");
  const second = modal("Are you sure?", [input("word", "Type yes", { type: "plain_text_input" }), input("why", "Why", { type: "rich_text_input", focus_on_load: true }, { optional: true })]);
  app.answersTo("view_submission", { body: { response_action: "push", view: second } });
  await box.getByRole("button", { name: "Declare" }).click();
  await box.getByRole("heading", { name: "Are you sure?" }).waitFor();
  assert.ok(await box.getByRole("textbox", { name: "Why" }).evaluate((node) => node === document.activeElement), "focus_on_load of a rich text");
  const { values } = (await app.hears("view_submission")).view.state;
  assert.equal(values.title.title_input.value, "Checkout is down");
  assert.deepEqual(values.labels.labels_input.selected_options.map(({ value }) => value), ["network"]);
  assert.equal(values.crew.crew_input.selected_users.length, 1);
  assert.equal(values.service.service_input.selected_option.value, "checkout");
  assert.deepEqual(values.told.told_input.selected_options.map(({ value }) => value), ["press"]);
  assert.equal(values.kind.kind_input.selected_option.value, "breach");
  assert.equal(values.date.date_input.selected_date, "2025-09-14");
  assert.equal(values.time.time_input.selected_time, "09:41");
  assert.equal(typeof values.moment.moment_input.selected_date_time, "number");
  assert.equal(values.hurt.hurt_input.value, "1200");
  assert.equal(values.proof.proof_input.type, "file_input");
  const files = values.proof.proof_input.files.map(({ id, name, mimetype, size }) => [/^F/.test(id), name, mimetype, size]);
  assert.deepEqual(values.notes.notes_input, { type: "rich_text_input", rich_text_value: { type: "rich_text", elements: NOTES } });
  assert.deepEqual(values.told_so_far.told_so_far_input.rich_text_value, BEGUN, "what the app gave comes back as it was");
  assert.deepEqual(files, [[true, "b.log", "text/plain", 18]]);

  // Escape goes one back; then the first is there again, as it was left.
  await ana.keyboard.press("Escape");
  await box.getByRole("heading", { name: "Declare an incident" }).waitFor();
  assert.equal((await app.hears("view_closed")).is_cleared, false);
  assert.equal(await box.getByLabel("Title").inputValue(), "Checkout is down");
  app.answersTo("view_submission", { status: 500 });
  await box.getByRole("button", { name: "Declare" }).click();
  await box.locator(".modal-trouble", { hasText: "dispatch_failed" }).waitFor();

  // The answer takes the form's place: the reader is taken to it, it is said aloud, and its channel is a click away.
  const incidents = (await call("conversations.list", {})).channels.find(({ name }) => name === "incidents").id;
  const told = (words, more = []) => ({ type: "modal", title: plain("Declared"), close: plain("Close"), blocks: [{ type: "section", block_id: "told", text: mrkdwn(`${words} See <#${incidents}>.`) }, ...more] });
  const ask = { type: "actions", block_id: "ask", elements: [button("Call ops", "call"), button("Tell support", "tell")] };
  app.answersTo("view_submission", { body: { response_action: "update", view: told("The war room is being opened.", [ask]) } });
  await box.getByRole("button", { name: "Declare" }).click();
  const isFocused = (node) => node === document.activeElement;
  const heading = box.getByRole("heading", { name: "Declared", exact: true });
  await heading.waitFor();
  assert.ok(await heading.evaluate(isFocused), "the focus is at the beginning of what took the form's place");
  await box.getByRole("status").filter({ hasText: "Declared: The war room is being opened." }).waitFor();
  await isAccessible(ana, "what took a form's place");
  await shot(ana, "modal-told");

  // What is only drawn anew keeps the focus where it was; what is no longer there gives it to the heading.
  await box.getByRole("button", { name: "Tell support" }).focus();
  await call("views.update", { view_id: view.id, view: told("The war room is open.", [ask]) });
  await box.getByText("The war room is open.").waitFor();
  assert.ok(await box.getByRole("button", { name: "Tell support" }).evaluate(isFocused), "the focus stays at the button");
  await call("views.update", { view_id: view.id, view: told("That is all.") });
  await box.getByText("That is all.").waitFor();
  assert.ok(await heading.evaluate(isFocused), "the focus does not leave the modal");
  await box.getByRole("link", { name: "#incidents" }).click();
  await ana.locator("#main .head-name", { hasText: "incidents" }).waitFor();
  assert.equal(await box.evaluate((node) => node.open), false, "the modal is closed");
  await until("the composer has the focus", () => field(ana).evaluate(isFocused));
  await opens(ana, "general");

  // --- shortcuts and the home tab
  await ana.getByRole("button", { name: "Shortcuts" }).click();
  await ana.getByRole("menuitem", { name: /^Declare an incident/ }).click();
  assert.equal((await app.hears("shortcut")).callback_id, "declare_incident");
  await types(ana, "the disk is full");
  await message(ana, "the disk is full").hover();
  await ana.locator(".tools").getByRole("button", { name: "More actions" }).click();
  await isAccessible(ana, "the menu of a message");
  await shot(ana, "message-menu");
  await ana.getByRole("menuitem", { name: /^Add to timeline/ }).click();
  const shortcut = await app.hears("message_action");
  assert.deepEqual([shortcut.callback_id, shortcut.message.text], ["add_to_timeline", "the disk is full"]);

  await ana.locator('#channels [data-name="dm"]').click();
  await ana.getByRole("link", { name: "Home" }).click();
  let opened;
  await until("app_home_opened", () => (opened = app.received.find(({ form }) => form.event?.type === "app_home_opened")));
  await call("views.publish", { user_id: opened.form.event.user, view: { type: "home", blocks: [{ type: "header", text: plain("Open incidents") }, { type: "actions", elements: [button("Declare", "home_declare")] }] } });
  await ana.getByRole("heading", { name: "Open incidents" }).waitFor();
  await isAccessible(ana, "the home tab");
  await ana.getByRole("button", { name: "Declare" }).click();
  assert.equal((await app.hears("block_actions")).container.type, "view");

  await ana.getByRole("link", { name: "Messages" }).click();
  await types(ana, "hello, app");
  await call("chat.postMessage", { channel: opened.form.event.user, text: "Hello, *Ana*." });
  await sees(ana, "Hello, Ana.");
  await isAccessible(ana, "a direct message");
  assert.equal(await field(ana).inputValue(), "");
});
