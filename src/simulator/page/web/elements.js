// Everything in blocks that people act on: buttons, menus, selects, pickers, inputs.
//
// A control knows its value as the words that the workspace takes: what was typed, or the values of chosen options.
// Its context says what an action does, and collects the inputs of a form:
//   {act(filled, asked), suggest(element, typed), values, inputs?: Map, kept?: Map}

import { agrees, announce, append, el, iconButton, menu, newId, notice, settled } from "./dom.js";
import { icon } from "./icons.js";
import { plainText, safeAddress, textOf, wordsOf } from "./mrkdwn.js";
import { RichField } from "./richtext.js";
import { upload } from "./server.js";
import { channelNamed, store } from "./store.js";

/** The node of one element: with its label, hint and place for an error when it stands in an input block. */
export function control(block, element, context) {
  const draw = CONTROLS[element.type];
  if (!draw) {
    if (element.type === "image") return image(element);
    return el("span", { class: "muted" }, `Not offered here: ${element.type}`);
  }
  const made = new Made(block, element, context);
  const node = draw(made);
  if (block.type !== "input") return node;
  return inputBlock(block, made, node);
}

const image = (element) => {
  const address = safeAddress(element.image_url ?? "");
  const words = el("span", { class: "accessory-image missing" }, element.alt_text ?? "");
  if (!address) return words;
  const node = el("img", { class: "accessory-image", alt: element.alt_text ?? "", loading: "lazy", referrerpolicy: "no-referrer" });
  node.addEventListener("error", () => node.replaceWith(words));
  node.src = address;
  return node;
};

/** One element in one place. */
class Made {
  constructor(block, element, context) {
    Object.assign(this, { block, element, context });
    this.key = `${block.block_id} ${element.action_id}`;
    this.id = newId("input");
    this.labelId = newId("label");
    this.errorId = newId("error");
    this.hintId = newId("hint");
    this.offered = [];
    /** Reads the words of a control that keeps a value. */
    this.read = null;
    /** Says what is wrong with what was typed, as Slack's own client does; nothing when it is fine. */
    this.fault = () => null;
  }

  /** What is no field of a form's own is named by its label; everything else is a field that a label stands for. */
  get isNamed() {
    return ["checkboxes", "radio_buttons", "rich_text_input"].includes(this.element.type);
  }

  get inInput() {
    return this.block.type === "input";
  }

  /** What names the control to those who listen. */
  names() {
    if (this.inInput) {
      const named = this.isNamed ? { "aria-labelledby": this.labelId } : {};
      const hint = this.block.hint ? `${this.hintId} ` : "";
      return { ...named, "aria-describedby": hint + this.errorId };
    }
    const { element, block } = this;
    const words = element.accessibility_label ?? element.placeholder?.text ?? (block.text ? wordsOf(block.text.text) : "");
    return { "aria-label": words || element.type.replaceAll("_", " ") };
  }

  /** The value that the workspace holds: an option, an id, a text, or a list. */
  held(field) {
    const value = this.context.values?.[this.block.block_id]?.[this.element.action_id];
    return value?.[field] ?? null;
  }

  /** The words that stand in the control at first: what was typed before a re-drawing comes before what is held. */
  first(held) {
    const kept = this.context.kept?.get(this.key);
    if (kept) this.offered = kept.offered;
    return kept ? kept.words : held;
  }

  /** Makes the control one that keeps a value. */
  keeps(read, focus) {
    this.read = read;
    this.focus = focus;
    this.context.inputs?.set(this.key, this);
  }

  filled(words = this.read?.() ?? []) {
    return { block_id: this.block.block_id, action_id: this.element.action_id, words, offered: this.offered };
  }

  /** Whether the app hears of a change at once. */
  get dispatches() {
    return !this.inInput || this.block.dispatch_action === true;
  }

  /** Tells the app, after asking where the app wants people to be asked. `back` undoes what the control shows. */
  async acts(words, back = () => {}) {
    if (!this.dispatches) return;
    const asked = this.element.confirm;
    if (asked && !(await agrees(asked, textOf))) return back();
    await this.context.act(this.filled(words), this);
  }
}

function inputBlock(block, made, node) {
  const label = made.isNamed
    ? el("div", { class: "input-label", id: made.labelId, onclick: () => made.focus?.() }, plainText(block.label))
    : el("label", { class: "input-label", id: made.labelId, htmlFor: made.id }, plainText(block.label));
  if (block.optional) label.append(el("span", { class: "optional" }, " (optional)"));
  const error = el("div", { class: "input-error", id: made.errorId, role: "alert" });
  made.error = error;
  return el(
    "div",
    { class: "input-block" },
    label,
    node,
    error,
    el("div", { class: "input-hint", id: made.hintId }, block.hint ? plainText(block.hint) : ""),
  );
}

/** Shows what is wrong at an input, or takes it away. */
export function showError(made, words) {
  if (!made.error) return;
  made.error.textContent = words ?? "";
  if (words) made.error.prepend(icon("warning"));
  for (const field of made.error.parentNode.querySelectorAll("input, select, textarea, [role=textbox]")) {
    if (words) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
}

const optionsOf = (element) => [...(element.options ?? []), ...(element.option_groups ?? []).flatMap((group) => group.options)];
const one = (value) => (value ? [value] : []);

// --- what selects offer -----------------------------------------------------------------------------

const people = () =>
  [...store.people.values()]
    .filter((person) => !person.deleted && !(person.is_bot && person.id !== store.app.user))
    .map((person) => ({ value: person.id, label: person.real_name, about: `@${person.name}` }));

const channels = () =>
  [...store.channels.values()]
    .filter((channel) => ["public", "private"].includes(channel.kind) && !channel.is_archived)
    .map((channel) => ({ value: channel.id, label: `${channel.kind === "private" ? "🔒 " : "#"}${channel.name}` }));

const conversations = (filter) =>
  [...store.channels.values()]
    .filter((channel) => !channel.is_archived)
    .filter((channel) => {
      const kind = { direct: "im", group: "mpim" }[channel.kind] ?? channel.kind;
      return !filter?.include || filter.include.includes(kind);
    })
    .map((channel) => ({
      value: channel.id,
      label: ["public", "private"].includes(channel.kind) ? `#${channel.name}` : channelNamed(channel),
    }));

const plain = (option) => ({ value: option.value, label: option.text.text, about: option.description?.text });

/** What a select holds, by its kind: the field of its value, and its choices. */
function choicesOf({ element }) {
  const kind = element.type.replace("multi_", "").replace("_select", "");
  const all = {
    static: () => (element.options ?? []).map(plain),
    users: people,
    channels,
    conversations: () => conversations(element.filter),
    external: () => [],
  }[kind]();
  return { kind, all };
}

const FIELDS = { static: "selected_option", external: "selected_option", users: "selected_user", channels: "selected_channel", conversations: "selected_conversation" };
const valueOf = (held) => (typeof held === "object" && held !== null ? held.value : held);

// --- the controls -----------------------------------------------------------------------------------

const CONTROLS = {
  button(made) {
    const { element } = made;
    const style = element.style ? `button ${element.style}` : "button";
    const label = { "aria-label": element.accessibility_label };
    const address = safeAddress(element.url ?? "");
    if (address) {
      // A link button leads away and still tells the app.
      return el(
        "a",
        { class: style, href: address, target: "_blank", rel: "noopener noreferrer", ...label, onclick: () => made.acts([]) },
        plainText(element.text),
      );
    }
    const node = el("button", { type: "button", class: style, ...label }, plainText(element.text));
    node.addEventListener("click", async () => {
      if (node.getAttribute("aria-busy") === "true") return;
      node.setAttribute("aria-busy", "true");
      try {
        await made.acts([]);
      } finally {
        node.removeAttribute("aria-busy");
      }
    });
    return node;
  },

  icon_button: (made) => iconButton("trash", made.element.text?.text ?? "Delete", () => made.acts([])),

  feedback_buttons: (made) =>
    el(
      "span",
      { class: "feedback" },
      ["positive_button", "negative_button"].map((name) =>
        el("button", { type: "button", class: "button", onclick: () => made.acts([made.element[name].value]) }, plainText(made.element[name].text)),
      ),
    ),

  overflow(made) {
    const node = iconButton("more", "More actions", () =>
      menu(
        node,
        "More actions",
        made.element.options.map((option) => ({
          label: option.text.text,
          about: option.description?.text,
          run: () => {
            const address = safeAddress(option.url ?? "");
            if (address) open(address, "_blank", "noopener");
            made.acts([option.value]);
          },
        })),
      ),
    );
    node.classList.add("overflow");
    node.setAttribute("aria-haspopup", "menu");
    node.setAttribute("aria-expanded", "false");
    return node;
  },

  static_select: single,
  users_select: single,
  channels_select: single,
  conversations_select: single,
  external_select: external,
  multi_static_select: several,
  multi_users_select: several,
  multi_channels_select: several,
  multi_conversations_select: several,
  multi_external_select: external,

  checkboxes: ticks,
  radio_buttons: ticks,

  datepicker: (made) => picker(made, "date", "selected_date"),
  timepicker: (made) => picker(made, "time", "selected_time"),
  datetimepicker: (made) => picker(made, "datetime-local", "selected_date_time"),

  plain_text_input: typed,
  email_text_input: typed,
  url_text_input: typed,
  number_input: typed,
  rich_text_input: rich,

  file_input: files,
};

function single(made) {
  const { element } = made;
  const { kind, all } = choicesOf(made);
  const first = made.first(one(valueOf(made.held(FIELDS[kind]))))[0] ?? "";
  const placeholder = element.placeholder?.text ?? "Choose…";
  const node = el("select", { id: made.id, class: "field-control", ...made.names() });
  node.append(el("option", { value: "" }, placeholder));
  const drawn = (option) => el("option", { value: option.value }, option.about && kind === "static" ? `${option.label} — ${option.about}` : option.label);
  for (const group of element.option_groups ?? []) {
    node.append(el("optgroup", { label: group.label.text }, group.options.map(plain).map(drawn)));
  }
  append(node, all.map(drawn));
  node.value = first;
  let before = node.value;
  made.keeps(
    () => one(node.value),
    () => node.focus(),
  );
  node.addEventListener("change", () => {
    showError(made, null);
    made.acts(one(node.value), () => (node.value = before)).then(() => (before = node.value));
  });
  return node;
}

/** Several choices: chips for what was chosen, a select for what can be added. */
function several(made) {
  const { element } = made;
  const { kind, all } = choicesOf(made);
  const groups = (element.option_groups ?? []).flatMap((group) => group.options.map(plain));
  const choices = [...all, ...groups];
  let chosen = made.first((made.held(`${FIELDS[kind]}s`) ?? []).map(valueOf));
  const chips = el("ul", { class: "chips", "aria-label": "Chosen" });
  const add = el("select", { id: made.id, class: "field-control", ...made.names() });
  const draw = () => {
    chips.replaceChildren(
      ...chosen.map((value) => {
        const label = choices.find((choice) => choice.value === value)?.label ?? value;
        const cross = iconButton("cross", `Take ${label} away`, () => change(chosen.filter((other) => other !== value)));
        return el("li", { class: "chip" }, label, cross);
      }),
    );
    chips.hidden = chosen.length === 0;
    const left = choices.filter((choice) => !chosen.includes(choice.value));
    const full = chosen.length >= (element.max_selected_items ?? Infinity);
    add.replaceChildren(
      el("option", { value: "" }, full ? "No more can be chosen" : (element.placeholder?.text ?? "Add…")),
      ...(full ? [] : left.map((choice) => el("option", { value: choice.value }, choice.label))),
    );
  };
  const change = (values) => {
    const before = chosen;
    chosen = values;
    draw();
    showError(made, null);
    add.focus();
    made.acts(chosen, () => {
      chosen = before;
      draw();
    });
  };
  add.addEventListener("change", () => add.value && change([...chosen, add.value]));
  made.keeps(
    () => chosen,
    () => add.focus(),
  );
  draw();
  return el("div", { class: "several" }, chips, add);
}

/** A select whose choices the app gives while one types. */
function external(made) {
  const { element } = made;
  const many = element.type.startsWith("multi_");
  const held = many ? (made.held("selected_options") ?? []) : one(made.held("selected_option"));
  let chosen = held;
  const kept = made.context.kept?.get(made.key);
  if (kept) chosen = kept.offered;
  const listId = newId("list");
  const list = el("ul", { class: "suggestions", role: "listbox", id: listId, hidden: true, "aria-label": "Suggestions" });
  const chips = el("ul", { class: "chips", "aria-label": "Chosen" });
  const field = el("input", {
    id: made.id,
    class: "field-control",
    type: "text",
    role: "combobox",
    autocomplete: "off",
    "aria-expanded": "false",
    "aria-controls": listId,
    placeholder: element.placeholder?.text ?? "Type to search…",
    ...made.names(),
  });
  const draw = () => {
    chips.hidden = chosen.length === 0;
    chips.replaceChildren(
      ...chosen.map((option) =>
        el("li", { class: "chip" }, option.text.text, iconButton("cross", `Take ${option.text.text} away`, () => change(chosen.filter((other) => other !== option)))),
      ),
    );
  };
  const close = () => {
    list.hidden = true;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  };
  const change = (options) => {
    chosen = options;
    made.offered = chosen;
    draw();
    close();
    field.value = "";
    showError(made, null);
    made.acts(chosen.map((option) => option.value));
  };
  let active = -1;
  let options = [];
  const mark = (place) => {
    active = place;
    [...list.children].forEach((item, at) => {
      item.setAttribute("aria-selected", String(at === active));
      if (at === active) field.setAttribute("aria-activedescendant", item.id);
    });
  };
  const pick = (option) => change(many ? [...chosen.filter((other) => other.value !== option.value), option] : [option]);
  const ask = settled(200, async () => {
    const typed = field.value;
    if (typed.length < (element.min_query_length ?? 3)) return close();
    try {
      options = await made.context.suggest(made.filled(), typed);
    } catch (why) {
      options = [];
      notice(why.message);
    }
    if (typed !== field.value) return;
    list.replaceChildren(
      ...options.map((option) =>
        el("li", { role: "option", id: newId("option"), "aria-selected": "false", onpointerdown: (event) => (event.preventDefault(), pick(option)) }, plainText(option.text)),
      ),
    );
    list.hidden = options.length === 0;
    field.setAttribute("aria-expanded", String(options.length > 0));
    mark(options.length ? 0 : -1);
  });
  field.addEventListener("input", ask);
  field.addEventListener("blur", close);
  field.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      mark((active + step + options.length) % options.length);
    } else if (event.key === "Enter" && active >= 0) {
      event.preventDefault();
      pick(options[active]);
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  });
  made.offered = chosen;
  made.keeps(
    () => chosen.map((option) => option.value),
    () => field.focus(),
  );
  draw();
  return el("div", { class: "several external" }, chips, field, list);
}

/** Checkboxes and radio buttons. */
function ticks(made) {
  const { element } = made;
  const radio = element.type === "radio_buttons";
  const held = radio ? one(valueOf(made.held("selected_option"))) : (made.held("selected_options") ?? []).map(valueOf);
  let chosen = made.first(held);
  const name = newId("ticks");
  const boxes = optionsOf(element).map((option) => {
    const box = el("input", {
      type: radio ? "radio" : "checkbox",
      name,
      value: option.value,
      checked: chosen.includes(option.value),
    });
    box.addEventListener("change", () => {
      const before = chosen;
      chosen = boxes.filter((other) => other.box.checked).map((other) => other.option.value);
      showError(made, null);
      made.acts(chosen, () => {
        chosen = before;
        for (const other of boxes) other.box.checked = chosen.includes(other.option.value);
      });
    });
    return { box, option };
  });
  made.keeps(
    () => chosen,
    () => boxes[0]?.box.focus(),
  );
  return el(
    "div",
    { class: "ticks", role: radio ? "radiogroup" : "group", ...made.names() },
    boxes.map(({ box, option }) =>
      el(
        "label",
        { class: "tick" },
        box,
        el("span", {}, el("span", { class: "text" }, textOf(option.text)), option.description ? el("small", { class: "muted text" }, textOf(option.description)) : null),
      ),
    ),
  );
}

const sized = (bytes) => (bytes < 1000 ? `${bytes} bytes` : bytes < 1e6 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

/** Files, uploaded as soon as they are chosen; the form holds their ids. */
function files(made) {
  const { filetypes, max_files: most = 10 } = made.element;
  let held = made.context.kept?.get(made.key)?.offered ?? made.held("files") ?? [];
  let under_way = 0;
  const list = el("ul", { class: "chips", "aria-label": "Files" });
  const field = el("input", {
    id: made.id,
    type: "file",
    class: "file-control",
    multiple: most > 1,
    accept: filetypes?.map((end) => `.${end}`).join(","),
    ...made.names(),
  });
  const change = (next) => {
    held = next;
    made.offered = held;
    list.hidden = held.length === 0;
    list.replaceChildren(
      ...held.map((file) =>
        el("li", { class: "chip" }, file.name, el("small", {}, ` ${sized(file.size)}`), iconButton("cross", `Take ${file.name} away`, () => (change(held.filter((other) => other !== file)), field.focus()))),
      ),
    );
  };
  const wrong = (file) => {
    const end = file.name.split(".").pop().toLowerCase();
    if (filetypes && !filetypes.includes(end)) return `${file.name} is not of a kind that is taken here: ${filetypes.join(", ")}.`;
    return held.length >= most ? `No more than ${most} ${most === 1 ? "file" : "files"} can be added.` : null;
  };
  field.addEventListener("change", async () => {
    const chosen = [...field.files];
    field.value = "";
    showError(made, null);
    for (const file of chosen) {
      const why = wrong(file);
      if (why) {
        showError(made, why);
        continue;
      }
      under_way += 1;
      field.setAttribute("aria-busy", "true");
      try {
        change([...held, await upload(file)]);
        announce(`${file.name} is added`);
      } catch (trouble) {
        showError(made, trouble.message);
      }
      under_way -= 1;
      if (!under_way) field.removeAttribute("aria-busy");
    }
  });
  made.keeps(
    () => held.map((file) => file.id),
    () => field.focus(),
  );
  made.fault = () => (under_way ? "A file is still on its way: please wait a moment." : null);
  change(held);
  return el("div", { class: "several" }, list, field);
}

const two = (number) => String(number).padStart(2, "0");
const localOf = (seconds) => {
  const date = new Date(seconds * 1000);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}`;
};

function picker(made, type, field) {
  const isMoment = type === "datetime-local";
  const held = made.held(field);
  const first = made.first(one(held === null ? null : String(held)))[0] ?? "";
  const shown = first && isMoment ? localOf(Number(first)) : first;
  const node = el("input", { id: made.id, type, class: "field-control", value: shown, ...made.names() });
  const read = () => {
    if (!node.value) return [];
    return [isMoment ? String(Math.floor(new Date(node.value).getTime() / 1000)) : node.value];
  };
  let before = node.value;
  made.keeps(read, () => node.focus());
  node.addEventListener("change", () => {
    showError(made, null);
    made.acts(read(), () => (node.value = before)).then(() => (before = node.value));
  });
  return node;
}

/** Rich text goes to the workspace as its JSON. */
function rich(made) {
  const { element } = made;
  const kept = made.context.kept?.get(made.key)?.words[0];
  const words = () => one(field.value && JSON.stringify(field.value));
  const config = element.dispatch_action_config?.trigger_actions_on ?? ["on_enter_pressed"];
  const tell = settled(250, () => made.acts(words()));
  const field = new RichField({
    value: made.context.kept ? kept && JSON.parse(kept) : made.held("rich_text_value"),
    placeholder: element.placeholder?.text,
    names: { id: made.id, ...made.names() },
    changed() {
      showError(made, null);
      if (made.dispatches && config.includes("on_character_entered")) tell();
    },
  });
  if (element.focus_on_load) field.field.dataset.first = "";
  made.keeps(words, () => field.focus());
  return field.node;
}

function typed(made) {
  const { element } = made;
  const long = element.multiline === true;
  const held = made.held("value");
  const node = el(long ? "textarea" : "input", {
    id: made.id,
    class: "field-control",
    placeholder: element.placeholder?.text,
    ...made.names(),
  });
  if (long) node.rows = 4;
  else node.type = { email_text_input: "email", url_text_input: "url" }[element.type] ?? "text";
  if (element.type === "number_input") node.inputMode = element.is_decimal_allowed ? "decimal" : "numeric";
  if (element.type === "plain_text_input") node.maxLength = element.max_length ?? 3000;
  if (element.focus_on_load) node.dataset.first = "";
  node.value = made.first(one(held === null ? null : String(held)))[0] ?? "";
  made.keeps(
    () => one(node.value),
    () => node.focus(),
  );
  made.fault = () => faultOf(element, node.value);
  const config = element.dispatch_action_config?.trigger_actions_on ?? ["on_enter_pressed"];
  const tell = settled(250, () => made.acts(one(node.value)));
  node.addEventListener("input", () => {
    showError(made, null);
    if (made.dispatches && config.includes("on_character_entered")) tell();
  });
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || long || !made.dispatches) return;
    if (!config.includes("on_enter_pressed")) return;
    event.preventDefault();
    made.acts(one(node.value));
  });
  return node;
}

/** What Slack's own client finds wrong before it sends anything. */
function faultOf(element, value) {
  if (!value) return null;
  if (element.min_length && value.length < element.min_length) return `Please enter at least ${element.min_length} characters.`;
  if (element.type === "email_text_input" && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(value)) return "Please enter a valid email address.";
  if (element.type === "url_text_input" && !/^https?:\/\/[^\s/]+/.test(value)) return "Please enter a valid URL.";
  if (element.type !== "number_input") return null;
  const number = Number(value);
  if (!Number.isFinite(number) || !/^-?\d+(\.\d+)?$/.test(value.trim())) return "Please enter a number.";
  if (!element.is_decimal_allowed && !Number.isInteger(number)) return "Please enter a whole number.";
  if (element.min_value !== undefined && number < Number(element.min_value)) return `Please enter a number that is at least ${element.min_value}.`;
  if (element.max_value !== undefined && number > Number(element.max_value)) return `Please enter a number that is at most ${element.max_value}.`;
  return null;
}
