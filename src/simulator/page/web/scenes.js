// Scenarios: stories that somebody plays in the workspace while one looks on, or takes part.

import { el, iconButton, notice } from "./dom.js";
import { icon } from "./icons.js";
import { mrkdwn } from "./mrkdwn.js";
import { get, post } from "./server.js";
import { findChannel, store } from "./store.js";

export class Scenes {
  constructor({ close }) {
    this.list = el("div", { class: "panel-body", tabindex: "0", role: "region", "aria-label": "Scenarios" });
    this.node = el(
      "aside",
      { class: "panel scenes", "aria-label": "Scenarios" },
      el("header", { class: "panel-head" }, iconButton("back", "Back", close, { class: "icon-button only-phone" }), el("h2", {}, "Scenarios"), iconButton("cross", "Close scenarios", close, { class: "icon-button only-wide" })),
      this.list,
    );
  }

  async load() {
    try {
      const { scenarios } = await get("scenarios");
      this.draw(scenarios);
    } catch (why) {
      notice(why.message);
    }
  }

  async do(id, deed) {
    try {
      const { scenarios } = await post(`/page/scenarios/${encodeURIComponent(id)}/${deed}`, {});
      this.draw(scenarios);
    } catch (why) {
      notice(why.message);
    }
  }

  draw(scenarios) {
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.deed : null;
    if (!scenarios.length) {
      this.list.replaceChildren(el("p", { class: "muted nothing" }, "There are no scenarios in this workspace."));
      return;
    }
    const running = scenarios.filter((scene) => scene.running);
    const others = scenarios.filter((scene) => !scene.running);
    this.list.replaceChildren(...[...running, ...others].map((scene) => this.card(scene)));
    if (focused) this.list.querySelector(`[data-deed="${CSS.escape(focused)}"]`)?.focus();
  }

  card(scene) {
    const { id, title, about, running, playing, ended, step, steps, faults } = scene;
    const button = (deed, label, picture, style = "button") =>
      el("button", { type: "button", class: style, "data-deed": `${id} ${deed}`, onclick: () => this.do(id, deed) }, icon(picture), label);
    const channel = step?.channel && findChannel(step.channel);
    const now = step
      ? el(
          "div",
          { class: "scene-step", "aria-live": "polite" },
          el("div", { class: "muted" }, `Step ${step.number} of ${steps}`),
          el("p", { class: "text" }, mrkdwn(step.now)),
          step.try_this ? el("p", { class: "text scene-try" }, el("strong", {}, "Try: "), mrkdwn(step.try_this)) : null,
          channel ? el("a", { class: "mention", href: `#${store.name()}/${channel.id}` }, `#${channel.name}`) : null,
        )
      : null;
    const failed = faults?.length
      ? el("div", { class: "scene-faults", role: "status" }, el("strong", {}, "What did not happen"), el("ul", {}, faults.map((fault) => el("li", {}, mrkdwn(fault)))), el("p", { class: "muted" }, "Do it yourself and go on, or start over."))
      : null;
    const deeds = !running
      ? [button("start", "Start", "next", "button primary"), button("play", "Play in real time", "play")]
      : ended && !playing
        ? [button("start", "Start over", "next", "button primary"), button("stop", "Done", "stop")]
        : [
            ended ? null : button("step", "Next step", "next", "button primary"),
            playing ? null : button("play", "Play in real time", "play"),
            button("stop", "Stop", "stop"),
          ];
    return el(
      "article",
      { class: running ? "scene running" : "scene" },
      el("h3", {}, title, playing ? el("span", { class: "badge" }, "PLAYING") : null),
      el("p", { class: "text muted" }, mrkdwn(about)),
      now,
      failed,
      el("div", { class: "actions" }, deeds),
    );
  }
}
