// A small app of the tests' own: it remembers what Slack sends, and answers what it is told to.

import { createServer } from "node:http";
import { simulate, until } from "./kit.mjs";

export class App {
  constructor() {
    this.received = [];
    this.answers = [];
  }

  /** Listens, and tells the workspace where. */
  async start() {
    this.server = createServer((request, response) => {
      let body = "";
      request.on("data", (part) => (body += part));
      request.on("end", () => this.take(request.url, body, response));
    });
    await new Promise((done) => this.server.listen(0, "127.0.0.1", done));
    this.server.unref();
    const base = `http://127.0.0.1:${this.server.address().port}`;
    await simulate("connect", { commands: `${base}/commands`, interactions: `${base}/interactions`, events: `${base}/events` });
    return this;
  }

  take(url, body, response) {
    const isJson = body.startsWith("{");
    if (isJson && JSON.parse(body).type === "url_verification") return response.end(JSON.parse(body).challenge);
    const form = isJson ? JSON.parse(body) : Object.fromEntries(new URLSearchParams(body));
    const received = { url, form: form.payload ? JSON.parse(form.payload) : form };
    this.received.push(received);
    const place = this.answers.findIndex((answer) => answer.fits(received));
    const answer = place < 0 ? null : this.answers.splice(place, 1)[0];
    if (answer?.status) response.statusCode = answer.status;
    if (!answer || answer.body === undefined) return response.end();
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(answer.body));
  }

  /** The next request of this type (`block_actions`, `view_submission`, a slash command's name…) is answered so. */
  answersTo(type, answer) {
    this.answers.push({ fits: ({ form }) => form.type === type || form.command === type, ...answer });
  }

  /** Waits for the next request of this type that was not looked at. */
  async hears(type) {
    let found;
    await until(`the app hears ${type}`, () => {
      found = this.received.findIndex(({ form }) => form.type === type || form.command === type);
      return found >= 0;
    });
    return this.received.splice(found, 1)[0].form;
  }
}

// --- Block Kit, shorter ---------------------------------------------------------------------------------

export const plain = (text) => ({ type: "plain_text", text });
export const mrkdwn = (text) => ({ type: "mrkdwn", text });
export const option = (label, value = label.toLowerCase()) => ({ text: plain(label), value });
export const input = (block_id, label, element, more = {}) => ({ type: "input", block_id, label: plain(label), element: { action_id: `${block_id}_input`, ...element }, ...more });
export const button = (label, action_id, more = {}) => ({ type: "button", text: plain(label), action_id, ...more });
