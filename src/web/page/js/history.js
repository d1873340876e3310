// The history on screen. What is in the document is exactly the timeline's window; whatever changes above or below,
// the message that one reads stays where it is.

import { Refused, api } from "./api.js";
import { $, announce, el, framed } from "./dom.js";
import { showFacts } from "./dialogs.js";
import { author } from "./people.js";
import { dress, excerpt, facts, render } from "./row.js";
import { changed, groupOf, isMe, nameOf, on, state } from "./store.js";
import { body as textOf, oneLine } from "./text.js";
import { hour } from "./time.js";
import * as outbox from "./outbox.js";
import * as preview from "./preview.js";
import { Timeline } from "./timeline.js";

const scroller = $("scroller");
const list = $("history");
const queue = $("outbox");
/** So near to an end, in screens, the next page is fetched. */
const AHEAD = 1.5;
/** So near to the end, in pixels, one counts as being there. */
const AT_END_PX = 48;
const READ_AFTER_MS = 250;

let timeline = null;
/** By id: `{item, row, dress}`. */
let shown = new Map();
/** By id: what replies answer; `null` while it is asked for. */
const quotes = new Map();
const QUOTES_MAX = 1000;
let stick = true;
/** An own message that has just become a row: its id. */
let said = null;
let fresh = 0;
/** The first message since the last visit: its id. */
let unreadFrom = null;
/** Ids of late messages that have not been on screen, in order of arrival. */
let late = new Set();
let readTimer = null;
let readSent = -1;
let highest = 0;
let reply = () => {};
let complain = () => {};
let target = null;
let opening = 0;

export const whenReplying = (listener) => (reply = listener);
/** `listener` gets a sentence when one cannot be led to a message. */
export const whenLost = (listener) => (complain = listener);

/** Shows `group`: where unread messages begin, or at its end; or around the entry `id`. */
export async function open(group, id = null) {
  const mine = ++opening;
  timeline?.close();
  stopReading();
  timeline = new Timeline(group, redraw);
  const here = timeline;
  shown = new Map();
  late = new Set();
  [stick, fresh, unreadFrom, target, readSent, highest, said] = [id === null, 0, null, id, -1, 0, null];
  list.replaceChildren();
  preview.open(group);
  drawOutbox();
  pills();
  // As it is now: what comes on screen meanwhile is told to be read.
  const summary = groupOf(group) && { ...groupOf(group) };
  try {
    await here.open(id);
    if (mine !== opening) return;
    draw();
    if (id !== null) return focusOn(id);
    if (summary?.unread > 0) await toUnread(here, summary, mine);
    if (summary && mine === opening) await findLate(here, summary);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (id !== null && mine === opening) return open(group);
    throw error;
  }
}

/** Marks where unread messages begin, and goes there if they are more than a screen. */
async function toUnread(here, summary, mine) {
  const isNew = (row) => row.arrival > summary.read && !row.late && !isMe(row.author) && row.kind === "message";
  let first = here.rows.find(isNew);
  // With more unread than loaded, go up until something is read, but not through a whole archive.
  for (let pages = 0; pages < 3 && first && first === here.rows.find((row) => row.kind === "message") && !here.atStart; pages += 1) {
    await here.older();
    if (mine !== opening) return;
    first = here.rows.find(isNew);
  }
  if (!first) return;
  unreadFrom = first.id;
  draw();
  const item = shown.get(first.id)?.item;
  if (item && scroller.scrollHeight - item.offsetTop > scroller.clientHeight) {
    scroller.scrollTop = Math.max(0, item.offsetTop - scroller.clientHeight / 4);
    noteScroll();
  }
}

async function findLate(here, summary) {
  const { entries } = await api.late(here.group, summary.read, 200);
  if (here.closed) return;
  for (const row of entries) if (!isMe(row.author)) late.add(row.id);
  sawLate();
}

export function close() {
  opening += 1;
  timeline?.close();
  stopReading();
  timeline = null;
  shown = new Map();
  list.replaceChildren();
  preview.close();
}

/** Everything anew, after events were missed. */
export function resync() {
  timeline?.refresh();
  preview.refresh(timeline?.group);
}

/** An entry of any group. */
export function arrived(row) {
  if (!timeline || row.group !== timeline.group) return;
  const known = timeline.ids.has(row.id);
  const own = isMe(row.author);
  if (!known && !own) {
    if (row.late) late.add(row.id);
    if (row.kind === "message") {
      // One who looks elsewhere finds the line where they left off.
      if (unreadFrom === null && !row.late && !present()) unreadFrom = row.id;
      if (!following() || !timeline.atEnd) fresh += 1;
      if (present()) say(row);
    }
  }
  timeline.pinned = following();
  // What was sent ahead is between it and the end.
  if (own && !known && row.kind === "message") said = row.id;
  if (own) timeline.delivered(row.id, 1);
  timeline.arrived(row);
  pills();
}

export function delivered(group, id, storedOn) {
  if (timeline?.group === group) timeline.delivered(id, storedOn);
}

const sayings = [];
const speak = framed(() => {
  const last = sayings.at(-1);
  announce(sayings.length > 3 ? `${sayings.length} new messages` : sayings.join(". "));
  sayings.length = 0;
  return last;
});
function say(row) {
  sayings.push(`${oneLine(row.from ?? nameOf(row.author, row.name))}: ${excerpt(row)}`);
  speak();
}

const present = () => document.visibilityState === "visible" && document.hasFocus();

// What is on screen follows the window.

/** Many changes, one drawing. */
const redraw = framed(() => draw());

function draw() {
  if (!timeline) return;
  const stays = !(stick && timeline.atEnd);
  // Among what was sent ahead, which gives way at its top, what is below stays as it is.
  const below = stays && preview.fills(scroller) ? scroller.scrollHeight - scroller.scrollTop : null;
  const hold = stays && below === null ? anchor() : null;
  const next = new Map();
  let above = null;
  const newestOwn = timeline.rows.findLast((row) => row.kind === "message" && isMe(row.author))?.id;
  let place = list.firstElementChild;
  for (const row of timeline.rows) {
    const unread = row.id === unreadFrom;
    const quoted = row.re ? quoteOf(row.re) : null;
    const look = `${dress(row, above, unread, row.id === newestOwn)}|${quoted ? "q" : ""}`;
    let piece = shown.get(row.id);
    if (!piece || piece.look !== look) {
      const item = render(row, { above, unread, newest: row.id === newestOwn, quoted, act });
      if (piece) {
        if (piece.item === place) place = place.nextElementSibling;
        const focused = piece.item.contains(document.activeElement);
        piece.item.replaceWith(item);
        if (focused) focusItem(item);
      }
      piece = { item, look };
    }
    if (piece.item === place) place = place.nextElementSibling;
    else list.insertBefore(piece.item, place);
    next.set(row.id, piece);
    above = row;
  }
  for (const [id, piece] of shown) if (!next.has(id)) piece.item.remove();
  shown = next;
  $("beginning").hidden = !timeline.atStart;
  preview.draw(timeline, { jump: act.jump });
  mark();
  if (below !== null) scroller.scrollTop = scroller.scrollHeight - below;
  else if (hold) restoreAnchor(hold);
  else if (shown.has(said) && preview.isSeen(scroller)) shown.get(said).item.scrollIntoView({ block: "end" });
  else toBottom();
  said = null;
  for (const row of timeline.rows) highest = Math.max(highest, row.arrival);
  noteScroll();
  outbox.shown(timeline.ids);
}

/** The first message that is on screen, and where. */
function anchor() {
  const top = scroller.getBoundingClientRect().top;
  const items = list.children;
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle].getBoundingClientRect().bottom > top) high = middle;
    else low = middle + 1;
  }
  const item = items[low];
  return item ? { id: item.dataset.id, offset: item.firstElementChild ? message(item).getBoundingClientRect().top : 0 } : null;
}

const message = (item) => item.querySelector(".message");

function restoreAnchor({ id, offset }) {
  const item = shown.get(id)?.item;
  if (item) scroller.scrollTop += message(item).getBoundingClientRect().top - offset;
}

function toBottom() {
  scroller.scrollTop = scroller.scrollHeight;
}

function noteScroll() {
  // Before the first page there is no end to be at.
  if (!timeline || timeline.rows.length === 0) return;
  const below = scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
  stick = timeline.atEnd && below < AT_END_PX;
  timeline.pinned = following();
  if (timeline.pinned) fresh = 0;
  if (stick) {
    fresh = 0;
    markRead();
  }
  sawLate();
  pills();
  if (scroller.scrollTop < AHEAD * scroller.clientHeight) load("older");
  if (below < AHEAD * scroller.clientHeight) load("newer");
}

/** At the end, or where something that was sent ahead is on screen, which is below everything that arrives. */
const following = () => stick || preview.isSeen(scroller);

function load(which) {
  if (!timeline || timeline.busy || (which === "older" ? timeline.atStart : timeline.atEnd)) return;
  // The page says elsewhere that the peer is gone; scrolling tries again.
  timeline[which]().catch(() => {});
}

scroller.addEventListener("scroll", framed(noteScroll), { passive: true });
new ResizeObserver(() => (stick && timeline?.atEnd ? toBottom() : noteScroll())).observe(scroller);

function sawLate() {
  if (late.size === 0) return;
  const frame = scroller.getBoundingClientRect();
  for (const id of late) {
    const rect = shown.get(id)?.item.getBoundingClientRect();
    if (rect && rect.bottom > frame.top && rect.top < frame.bottom && present()) late.delete(id);
  }
  pills();
}

function pills() {
  const pill = $("new-pill");
  const away = timeline !== null && timeline.rows.length > 0 && !stick;
  pill.hidden = !away;
  pill.textContent = fresh > 0 ? `${fresh.toLocaleString()} new ↓` : "Newest ↓";
  const above = $("late-pill");
  above.hidden = late.size === 0 || timeline === null;
  above.textContent = late.size === 1 ? "1 late message ↑" : `${late.size} late messages ↑`;
}

$("new-pill").addEventListener("click", () => newest());
$("late-pill").addEventListener("click", () => {
  const [first] = late;
  if (!first) return;
  late.delete(first);
  jump(first).finally(pills);
});

/** To the end, wherever that is. */
export async function newest() {
  if (!timeline) return;
  stick = true;
  fresh = 0;
  if (!timeline.atEnd) await timeline.open();
  draw();
  toBottom();
  noteScroll();
}

export async function oldest() {
  const group = timeline && groupOf(timeline.group);
  if (!group) return;
  stick = false;
  if (!timeline.atStart) await timeline.openStart(group.id);
  draw();
  scroller.scrollTop = 0;
  noteScroll();
}

/** Shows the entry in its context. */
export async function jump(id) {
  if (!timeline) return;
  stick = false;
  if (!timeline.ids.has(id)) await timeline.open(id);
  draw();
  focusOn(id);
}

function focusOn(id) {
  target = id;
  mark();
  const item = shown.get(id)?.item;
  if (!item) return;
  stick = false;
  scroller.scrollTop += message(item).getBoundingClientRect().top - scroller.getBoundingClientRect().top - scroller.clientHeight / 3;
  focusItem(item);
  noteScroll();
}

function mark() {
  for (const element of list.querySelectorAll(".target")) element.classList.remove("target");
  const item = target && shown.get(target)?.item;
  if (item) message(item).classList.add("target");
}

// How far this person has read.

function markRead() {
  // A timer that runs is left alone: something is always moving where people write.
  if (!timeline || !present() || highest <= readSent || readTimer !== null) return;
  const here = timeline;
  readTimer = setTimeout(async () => {
    readTimer = null;
    const group = groupOf(here.group);
    if (here.closed || !stick || !present() || !group?.joined || highest <= Math.max(readSent, group.read ?? 0)) return;
    readSent = highest;
    try {
      Object.assign(group, await api.setRead(here.group, highest));
      changed("groups");
    } catch {
      readSent = -1;
    }
  }, READ_AFTER_MS);
}

function stopReading() {
  clearTimeout(readTimer);
  readTimer = null;
}

for (const event of ["focus", "visibilitychange"]) addEventListener(event, () => timeline && noteScroll());

/** The line has done its work, once one has answered. */
export function answered() {
  if (unreadFrom === null) return;
  unreadFrom = null;
  draw();
}

// What messages answer.

function quoteOf(id) {
  const known = quotes.get(id);
  if (known !== undefined) return known;
  const inWindow = timeline.rows.find((row) => row.id === id);
  if (inWindow) return inWindow;
  if (quotes.size >= QUOTES_MAX) quotes.delete(quotes.keys().next().value);
  quotes.set(id, null);
  api.entry(timeline.group, id).then(
    (row) => {
      quotes.set(id, row);
      redraw();
    },
    (error) => {
      // It may be on its way; one that could not be asked for is asked for with the next reply to it.
      if (!(error instanceof Refused)) quotes.delete(id);
    },
  );
  return null;
}

const act = {
  reply: (row) => reply(row),
  jump: (id) => jump(id).catch((error) => error instanceof Refused && complain("That message is not here, or not yet.")),
  details: (row) => showFacts(facts(row)),
};

// Not yet taken by the local peer.

function drawOutbox() {
  // One whose answer was lost may be there already.
  const messages = timeline ? outbox.waitingIn(timeline.group).filter(({ id }) => !id || !timeline.ids.has(id)) : [];
  queue.replaceChildren(...messages.map(waitingItem));
  queue.hidden = messages.length === 0;
  if (stick && timeline?.atEnd) toBottom();
}

function waitingItem(message) {
  const status = el("span", { class: message.failed ? "delivery failed" : "delivery waiting" });
  status.append(message.failed ? `Not sent: ${message.failed}` : state.connection === "up" ? "sending" : "kept in this browser until your peer is back");
  const line = el("div", { class: "line" }, el("time", { class: "stamp", datetime: message.at }, hour(message.at)));
  line.append(el("div", { class: "head" }, author(state.me.peer, state.name)), el("div", { class: "body", dir: "auto" }, textOf(message.body.slice(0, 1500), () => false)), status);
  if (message.failed) {
    const button = (text, run) => el("button", { class: "more", type: "button", onclick: run }, text);
    line.append(button("Try again", () => outbox.retry(message)), button("Discard", () => outbox.discard(message)));
  }
  return el("li", { class: "message-item" }, el("div", { class: "message first own" }, line));
}

on("outbox connection", framed(drawOutbox));
on("users name preview", redraw);

// Keys within the history.

function focusItem(item) {
  message(item)?.focus({ preventScroll: true });
}

/** Moves the focus by `steps` messages; from outside to the last one that is on screen. */
export function step(steps) {
  const items = [...list.children];
  if (items.length === 0) return;
  const at = items.findIndex((item) => item.contains(document.activeElement));
  const frame = scroller.getBoundingClientRect();
  const visible = () => items.findLastIndex((item) => item.getBoundingClientRect().top < frame.bottom - 8);
  const item = items[Math.min(items.length - 1, Math.max(0, at < 0 ? visible() : at + steps))];
  focusItem(item);
  const rect = message(item).getBoundingClientRect();
  if (rect.top < frame.top + 32) scroller.scrollTop -= frame.top + 32 - rect.top;
  else if (rect.bottom > frame.bottom - 8) scroller.scrollTop += Math.min(rect.bottom - frame.bottom + 8, rect.top - frame.top - 8);
}

const focusedRow = () => {
  const id = document.activeElement?.closest?.(".message-item")?.dataset.id;
  return timeline?.rows.find((row) => row.id === id);
};

scroller.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("button, a")) return;
  const row = focusedRow();
  const keys = {
    ArrowUp: () => step(-1),
    ArrowDown: () => step(1),
    k: () => step(-1),
    j: () => step(1),
    Home: () => oldest().catch(() => {}),
    End: () => newest().catch(() => {}),
    r: row && row.kind === "message" && (() => reply(row)),
    Enter: row && row.kind === "message" && (() => reply(row)),
    d: row && (() => act.details(row)),
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});

/** Scrolls by screens, from wherever the keys are. */
export function page(direction) {
  scroller.scrollBy({ top: direction * scroller.clientHeight * 0.85, behavior: "instant" });
}
