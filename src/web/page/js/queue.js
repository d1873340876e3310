// The messages that the local peer has not stored yet, below the history.

import { $, el } from "./dom.js";
import * as outbox from "./outbox.js";
import { author } from "./people.js";
import { state } from "./store.js";
import { body } from "./text.js";
import { hour } from "./time.js";

const list = $("outbox");
const CHARS_MAX = 1500;

/** Without a timeline, no group is open. */
export function draw(timeline) {
  // The answer to a message may have been lost after it became a row.
  const messages = timeline ? outbox.waitingIn(timeline.group).filter(({ id }) => !id || !timeline.ids.has(id)) : [];
  list.replaceChildren(...messages.map(render));
  list.hidden = messages.length === 0;
}

function render(message) {
  const status = el("span", { class: message.failed ? "delivery failed" : "delivery waiting" });
  status.append(message.failed ? `Not sent: ${message.failed}` : state.connection === "up" ? "sending" : "kept in this browser until your peer answers");
  const line = el("div", { class: "line" }, el("time", { class: "stamp", datetime: message.at }, hour(message.at)));
  line.append(el("div", { class: "head" }, author(state.me.peer, state.name)), el("div", { class: "body", dir: "auto" }, body(message.body.slice(0, CHARS_MAX), () => false)), status);
  if (message.failed) {
    const button = (text, run) => el("button", { class: "more", type: "button", onclick: run }, text);
    line.append(button("Try again", () => outbox.retry(message)), button("Discard", () => outbox.discard(message)));
  }
  return el("li", { class: "message-item" }, el("div", { class: "message first own" }, line));
}
