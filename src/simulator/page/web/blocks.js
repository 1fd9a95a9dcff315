// Block Kit as Slack shows it.

import { append, el } from "./dom.js";
import { control } from "./elements.js";
import { linkTo, mrkdwn, plainText, safeAddress, textOf } from "./mrkdwn.js";
import { richPart } from "./richtext.js";

/** The blocks of a message, a modal or a home tab. `context` says what acting on an element does. */
export function blocksOf(blocks, context) {
  return blocks.map((block) => {
    const draw = BLOCKS[block.type] ?? unknown;
    const node = draw(block, context);
    node.dataset.block = block.block_id ?? "";
    return node;
  });
}

const unknown = (block) => el("p", { class: "block unknown" }, `This block cannot be shown here: ${block.type}`);

const BLOCKS = {
  header: (block) => el("h2", { class: "block header" }, plainText(block.text)),

  divider: () => el("hr", { class: "block divider" }),

  section(block, context) {
    const words = el("div", { class: "section-words" });
    if (block.text) words.append(el("div", { class: "text" }, textOf(block.text)));
    if (block.fields) {
      words.append(
        el("div", { class: "fields" }, block.fields.map((field) => el("div", { class: "text field" }, textOf(field)))),
      );
    }
    const accessory = block.accessory ? el("div", { class: "accessory" }, control(block, block.accessory, context)) : null;
    return el("div", { class: "block section" }, words, accessory);
  },

  context(block) {
    const parts = block.elements.map((part) =>
      part.type === "image" ? picture(part, "context-image") : el("span", { class: "text" }, textOf(part)),
    );
    return el("div", { class: "block context" }, parts);
  },

  actions: (block, context) =>
    el("div", { class: "block actions" }, block.elements.map((element) => control(block, element, context))),

  context_actions: (block, context) =>
    el("div", { class: "block actions" }, block.elements.map((element) => control(block, element, context))),

  input: (block, context) => el("div", { class: "block input" }, control(block, block.element, context)),

  image(block) {
    const title = block.title ? el("figcaption", {}, plainText(block.title)) : null;
    return el("figure", { class: "block image" }, title, picture(block, "block-image"));
  },

  rich_text: (block) => el("div", { class: "block rich-text text" }, block.elements.map(richPart)),

  markdown: (block) => el("div", { class: "block markdown text" }, markdown(block.text)),

  table: (block) =>
    el(
      "div",
      { class: "block table", tabindex: "0", role: "group", "aria-label": "Table" },
      el("table", {}, el("tbody", {}, block.rows.map((row) => el("tr", {}, row.map((cell) => el("td", {}, cellOf(cell))))))),
    ),

  video: (block) =>
    el(
      "div",
      { class: "block section" },
      el(
        "div",
        { class: "section-words" },
        el("div", { class: "text" }, linkTo(block.title_url ?? block.video_url, plainText(block.title))),
        block.description ? el("div", { class: "muted" }, plainText(block.description)) : null,
      ),
    ),
};

/** A picture that somebody named by its address; its words, if it does not come. */
function picture(image, kind) {
  const address = safeAddress(image.image_url ?? "");
  const words = () => el("span", { class: `${kind} missing` }, image.alt_text || "picture");
  if (!address || address.startsWith("mailto:")) return words();
  const node = el("img", { class: kind, alt: image.alt_text ?? "", loading: "lazy", referrerpolicy: "no-referrer" });
  node.addEventListener("error", () => node.replaceWith(words()));
  node.src = address;
  return node;
}

const cellOf = (cell) => {
  if (cell.type === "rich_text") return cell.elements.map(richPart);
  return cell.text ?? String(cell.value ?? "");
};

// --- Markdown -------------------------------------------------------------------------------------

/** The Markdown that apps and exported records are written in: headings, lists, quotes, tables, code, emphasis. */
export function markdown(text) {
  const nodes = [];
  const all = text.replaceAll("\r", "").split("\n");
  let at = 0;
  const take = (fits) => {
    const taken = [];
    while (at < all.length && fits(all[at])) taken.push(all[at++]);
    return taken;
  };
  while (at < all.length) {
    const line = all[at];
    const heading = line.match(/^(#{1,6})\s+(.*)$/);
    if (line.startsWith("```")) {
      at += 1;
      const code = take((next) => !next.startsWith("```"));
      at += 1;
      nodes.push(el("pre", {}, code.join("\n")));
    } else if (heading) {
      at += 1;
      nodes.push(el(`h${Math.min(6, heading[1].length + 1)}`, { class: `md-${heading[1].length}` }, spans(heading[2])));
    } else if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) {
      at += 1;
      nodes.push(el("hr", {}));
    } else if (/^>/.test(line)) {
      nodes.push(el("blockquote", {}, markdown(take((next) => /^>/.test(next)).map((next) => next.replace(/^> ?/, "")).join("\n"))));
    } else if (/^\s*([-*+]|\d+[.)])\s/.test(line)) {
      const items = take((next) => /^\s*([-*+]|\d+[.)])\s/.test(next) || /^\s{2,}\S/.test(next));
      const ordered = /^\s*\d/.test(line);
      nodes.push(el(ordered ? "ol" : "ul", {}, items.map((item) => el("li", {}, spans(item.replace(/^\s*([-*+]|\d+[.)])\s/, ""))))));
    } else if (/^\s*\|/.test(line)) {
      const rows = take((next) => /^\s*\|/.test(next)).map(cells);
      const hasLine = rows.length > 1 && rows[1].every((cell) => /^:?-+:?$/.test(cell));
      const body = hasLine ? rows.slice(2) : rows;
      const head = hasLine && rows[0].some(Boolean) ? el("thead", {}, el("tr", {}, rows[0].map((cell) => el("th", { scope: "col" }, spans(cell))))) : null;
      const drawn = body.map((row) => el("tr", {}, row.map((cell) => el("td", {}, spans(cell)))));
      nodes.push(el("table", {}, head, el("tbody", {}, drawn)));
    } else if (!line.trim()) {
      at += 1;
    } else {
      const begin = /^(#{1,6}\s|```|>|\s*\||\s*([-*+]|\d+[.)])\s)/;
      const first = all[at++];
      const words = [first, ...take((next) => next.trim() && !begin.test(next))];
      nodes.push(el("p", {}, spans(words.join("\n"))));
    }
  }
  return nodes;
}

/** `| a | b \| c |` */
const cells = (row) =>
  row
    .trim()
    .replace(/^\||\|$/g, "")
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll("\\|", "|"));

const SPAN = /\\([\\`*_{}[\]()#+\-.!|<>~&:@$=^%"',/;?])|`([^`]+)`|\*\*([^*]+)\*\*|__([^_]+)__|\*([^*\s][^*]*)\*|(?<![\w])_([^_]+)_(?!\w)|\[([^\]]*)\]\(([^()\s]+)\)|<(https?:[^<>\s]+)>/g;

/** Emphasis, code and links in a line of Markdown. */
function spans(text) {
  const nodes = [];
  let from = 0;
  const plain = (words) => words && nodes.push(document.createTextNode(entities(words)));
  for (const found of text.matchAll(SPAN)) {
    plain(text.slice(from, found.index));
    from = found.index + found[0].length;
    const [, escaped, code, bold, bolder, em, emph, label, address, bare] = found;
    if (escaped !== undefined) nodes.push(document.createTextNode(escaped));
    else if (code !== undefined) nodes.push(el("code", {}, code));
    else if (bold ?? bolder) nodes.push(el("strong", {}, spans(bold ?? bolder)));
    else if (em ?? emph) nodes.push(el("em", {}, spans(em ?? emph)));
    else if (address) nodes.push(linkTo(address, label || address));
    else nodes.push(linkTo(bare, bare));
  }
  plain(text.slice(from));
  return nodes;
}

const ENTITIES = { lt: "<", gt: ">", amp: "&", quot: '"', nbsp: "\u00a0", "#39": "'", "#124": "|" };
const entities = (text) => text.replace(/&(#?\w+);/g, (whole, name) => ENTITIES[name] ?? whole);

/** Legacy attachments: a bar of colour, and text or blocks beside it. */
export function attachmentOf(attachment, context) {
  const node = el("div", { class: "attachment" });
  if (/^#?[0-9a-f]{6}$/i.test(attachment.color ?? "")) {
    node.style.borderLeftColor = `#${attachment.color.replace("#", "")}`;
  } else if (["good", "warning", "danger"].includes(attachment.color)) node.classList.add(attachment.color);
  append(node, attachment.pretext ? el("div", { class: "text" }, mrkdwn(attachment.pretext)) : null);
  if (attachment.title) {
    const title = attachment.title_link ? linkTo(attachment.title_link, attachment.title) : attachment.title;
    append(node, el("strong", {}, title));
  }
  if (attachment.blocks) append(node, blocksOf(attachment.blocks, context));
  else append(node, el("div", { class: "text" }, mrkdwn(attachment.text ?? attachment.fallback ?? "")));
  const fields = (attachment.fields ?? []).map((field) =>
    el("div", { class: "field" }, el("strong", {}, field.title ?? ""), el("div", { class: "text" }, mrkdwn(field.value ?? ""))),
  );
  if (fields.length) append(node, el("div", { class: "fields" }, fields));
  return node;
}
