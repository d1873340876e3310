// One row of a history as an element.

import { el } from "./dom.js";
import { author } from "./people.js";
import { isMe, nameOf, shortKey, state } from "./store.js";
import { body, inline, oneLine, onlyEmoji, skeleton } from "./text.js";
import { dayKey, dayName, exact, hour } from "./time.js";

/** Messages of one author within this time are shown under one name. */
const RUN_MS = 5 * 60_000;
/** Longer messages are cut, with a button that shows the rest. */
const CHARS_MAX = 1500;
const LINES_MAX = 18;

const isMine = (name) => state.name !== null && skeleton(name) === skeleton(state.name);

const continues = (row, above) =>
  above !== null && above !== undefined && row.kind === "message" && above.kind === "message" && row.author === above.author && row.from === above.from &&
  !row.re && dayKey(row.at) === dayKey(above.at) && Math.abs(new Date(row.at) - new Date(above.at)) < RUN_MS;

/** Everything that can change how a row is shown, as text: while it is the same, the element stays. */
export const dress = (row, { above, unread, newest, quoted }) =>
  [newest ? "n" : "", above && dayKey(above.at) === dayKey(row.at) ? "" : dayKey(row.at), continues(row, above) ? "c" : "", unread ? "u" : "", row.stored_on ?? "", row.late, row.name, nameOf(row.author, row.name), quoted ? "q" : ""].join("|");

/**
 * `above` is the row above, or `null`; `unread` puts the line of unread messages above this row; `newest` marks the
 * newest own message; `quoted` is the row that this one replies to, if it is known. `act` holds the functions
 * `reply`, `jump` and `details`; without the first and the last of them, the row has no buttons.
 */
export function render(row, { above, unread, newest, quoted, act }) {
  const item = el("li", { class: "message-item", "data-id": row.id });
  if (!above || dayKey(above.at) !== dayKey(row.at)) item.append(el("div", { class: "day" }, el("span", {}, dayName(row.at))));
  if (unread) item.append(el("div", { class: "unread-line" }, "New since you were here"));
  const system = Boolean(row.says);
  const run = continues(row, above);
  const classes = ["message", !run && !system && "first", system && "system", row.late && "late", mentions(row) && "mention", isMe(row.author) && "own"];
  const message = el("div", { class: classes.filter(Boolean).join(" "), tabIndex: -1, role: "article", "aria-label": label(row) });
  const line = el("div", { class: "line" }, el("time", { class: "stamp", datetime: row.at, title: exact(row.at) }, hour(row.at)));
  if (system) line.append(systemLine(row));
  else {
    line.append(head(row));
    if (row.re) line.append(quote(row.re, quoted, act));
    line.append(content(row));
  }
  if (row.late) line.append(el("span", { class: "late-mark", title: "Arrived after messages that are shown below it" }, "arrived late"));
  if (isMe(row.author) && row.kind === "message" && row.stored_on) line.append(delivery(row.stored_on, newest));
  message.append(line);
  if (act.details) message.append(tools(row, act));
  item.append(message);
  return item;
}

export const mentions = (row) => row.mention === true;

function head(row) {
  const line = el("div", { class: "head" });
  if (row.from === null || row.from === undefined) line.append(author(row.author, row.name));
  else line.append(el("bdi", { class: "relay", title: "A name given by the member who relays; nobody else confirms it" }, inline(row.from)), el("span", { class: "via" }, "relayed by ", author(row.author, row.name)));
  return line;
}

/** For screen readers: who, when, and what is special. */
function label(row) {
  const who = row.from ? `${oneLine(row.from)}, relayed by ${oneLine(nameOf(row.author, row.name))}` : oneLine(nameOf(row.author, row.name));
  const marks = [row.late && "arrived late", mentions(row) && "mentions you"].filter(Boolean);
  return [who, hour(row.at), ...marks].join(", ");
}

function content(row) {
  if (row.sealed || row.body === null) return el("div", { class: "body sealed" }, "A sealed message: this peer cannot open it.");
  if (row.kind !== "message") {
    return el("div", { class: "body unknown" }, "An entry of a kind that this version does not know: ", el("bdi", {}, inline(row.kind)), row.body ? " — " : null, row.body ? el("bdi", {}, inline(row.body.slice(0, 200))) : null);
  }
  const element = el("div", { class: onlyEmoji(row.body) ? "body big" : "body", dir: "auto" });
  const lines = row.body.split("\n");
  if (row.body.length <= CHARS_MAX && lines.length <= LINES_MAX) {
    element.append(body(row.body, isMine));
    return element;
  }
  const start = lines.slice(0, LINES_MAX).join("\n").slice(0, CHARS_MAX).replace(/[\ud800-\udbff]$/, "");
  element.append(body(start, isMine), "…");
  const more = el("button", { class: "more", type: "button" }, `Show all of it (${row.body.length.toLocaleString()} characters)`);
  more.addEventListener("click", () => {
    element.replaceChildren(body(row.body, isMine));
    more.remove();
  });
  const whole = document.createDocumentFragment();
  whole.append(element, more);
  return whole;
}

function systemLine(row) {
  return el("span", { class: "body" }, author(row.author, row.name), " ", el("bdi", {}, inline(row.says)));
}

/** A message on one line, for quotes, search results and screen readers. */
export const excerpt = (row) => (row.sealed || row.body === null ? "a sealed message" : oneLine(row.body.slice(0, 300)));

function quote(id, quoted, act) {
  const button = el("button", { class: "quote", type: "button", onclick: () => act.jump(id) });
  if (quoted) button.append(author(quoted.author, quoted.name), " ", el("bdi", {}, excerpt(quoted)));
  else button.append("reply to an earlier message");
  return button;
}

/** A text for the newest own message, and for one that no other peer is known to have; otherwise a dot. */
export function delivery(count, newest) {
  const title = `Known to be stored on ${count} peers, including your own`;
  if (count > 1) return el("span", { class: "delivery spread", title }, el("span", { class: newest ? undefined : "hidden" }, `on ${count} peers`));
  return el("span", { class: "delivery alone", title: "Stored on your own peer; others get it when they can be reached" }, "kept here");
}

function tools(row, act) {
  const bar = el("div", { class: "tools" });
  if (row.kind === "message") bar.append(el("button", { class: "quiet", type: "button", tabIndex: -1, onclick: () => act.reply(row) }, "Reply"));
  bar.append(el("button", { class: "quiet", type: "button", tabIndex: -1, "aria-label": "Details of this message", onclick: () => act.details(row) }, "Details"));
  return bar;
}

/** What the dialog of details shows: pairs of a name and a value. */
export const facts = (row) => [
  ["Written", `${exact(row.at)}, by the author's clock`],
  ["Author", `${oneLine(nameOf(row.author, row.name))} (${shortKey(row.author)})`],
  ["Key", row.author],
  ...(row.from ? [["Relayed for", oneLine(row.from)]] : []),
  ["Kind", oneLine(row.kind)],
  ["Arrived", `as number ${row.arrival} of this group on this peer${row.late ? ", after messages that are shown below it" : ""}`],
  ...(row.stored_on ? [["Stored on", `${row.stored_on} ${row.stored_on === 1 ? "peer: this one" : "peers that are known"}`]] : []),
  ["Id", row.id],
];
