// What screen readers are given to say, after what they are saying.

import { $, el, framed } from "./dom.js";
import { excerpt } from "./row.js";
import { nameOf } from "./store.js";
import { oneLine } from "./text.js";

/** More new messages than this at once are counted instead of read out. */
const READ_OUT_MAX = 3;

let last = null;

export function announce(text) {
  last?.remove();
  last = el("p", {}, text);
  $("announcer").append(last);
}

let messages = [];
const announceMessages = framed(() => {
  announce(messages.length > READ_OUT_MAX ? `${messages.length} new messages` : messages.join(". "));
  messages = [];
});

export function announceMessage(row) {
  messages.push(`${oneLine(row.from ?? nameOf(row.author, row.name))}: ${excerpt(row)}`);
  announceMessages();
}
