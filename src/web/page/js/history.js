// The history on screen. The document holds exactly the rows of the timeline; when rows are added or removed above or
// below, the message that one reads stays where it is.

import { announceMessage } from "./announcer.js";
import { Refused, api } from "./api.js";
import { showFacts } from "./dialogs.js";
import { $, framed, isPresent } from "./dom.js";
import * as outbox from "./outbox.js";
import * as pills from "./pills.js";
import * as preview from "./preview.js";
import * as queue from "./queue.js";
import { quoted } from "./quotes.js";
import * as readmark from "./readmark.js";
import { facts } from "./row.js";
import { RowList, focusItem, messageIn } from "./rowlist.js";
import { groupOf, isMe, on } from "./store.js";
import { Timeline } from "./timeline.js";

export const scroller = $("scroller");
const list = new RowList($("history"));

/** In screens: the next page is read when its end of the window is as near as this. */
const LOAD_WITHIN = 1.5;
/** In pixels: as near as this to the end, the reader is at the end. */
const AT_END_PX = 48;
/** Late messages that are looked for when a group is opened. */
const LATE_MAX = 200;
/** Pages that are read to find the first unread message. */
const UNREAD_PAGES_MAX = 3;

let timeline = null;
/** Counts openings: what an older one awaited is dropped. */
let opening = 0;
/** The reader is at the end and stays there when rows arrive. */
let stick = true;
/** The id of an own message that has just become a row. */
let said = null;
/** The id of the first message since the last visit. */
let unreadFrom = null;
/** The id of the entry that a link, a quote or a search has led to. */
let target = null;
let reply = () => {};
let complain = () => {};

export const whenReplying = (listener) => (reply = listener);
/** `listener` is called with a sentence when the entry of a link is not here. */
export const whenLost = (listener) => (complain = listener);

/** What can be done with a row. */
export const act = {
  reply: (row) => reply(row),
  jump: (id) => jump(id).catch((error) => error instanceof Refused && complain("Your peer does not have that message, or not yet.")),
  details: (row) => showFacts(facts(row)),
};

export const rowOf = (id) => timeline?.rows.find((row) => row.id === id);

/** Shows `group` from its first unread message on, or at its end; with `id`, around that entry. */
export async function open(group, id = null) {
  close();
  const mine = opening;
  timeline = new Timeline(group, redraw);
  timeline.viewed = target = id;
  stick = id === null;
  const here = timeline;
  preview.open(group);
  drawQueue();
  // A copy: the read mark moves as soon as messages are on screen.
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

/** Marks the first unread message, and scrolls to it if it is above the screen. */
async function toUnread(here, summary, mine) {
  const isNew = (row) => row.arrival > summary.read && !row.late && !isMe(row.author) && row.kind === "message";
  let first = here.rows.find(isNew);
  // While all that is loaded is unread, the first one may be further up.
  for (let pages = 0; pages < UNREAD_PAGES_MAX && first && first === here.rows.find((row) => row.kind === "message") && !here.atStart; pages += 1) {
    await here.older();
    if (mine !== opening) return;
    first = here.rows.find(isNew);
  }
  if (!first) return;
  unreadFrom = first.id;
  draw();
  const item = list.item(first.id);
  if (item && scroller.scrollHeight - item.offsetTop > scroller.clientHeight) {
    scroller.scrollTop = Math.max(0, item.offsetTop - scroller.clientHeight / 4);
    noteScroll();
  }
}

async function findLate(here, summary) {
  const { entries } = await api.late(here.group, summary.read, LATE_MAX);
  if (here.closed) return;
  for (const row of entries) if (!isMe(row.author)) pills.addLate(row.id);
  sawLate();
}

export function close() {
  opening += 1;
  timeline?.close();
  timeline = null;
  [said, unreadFrom, target] = [null, null, null];
  list.clear();
  preview.close();
  readmark.reset();
  pills.reset();
}

/** Events were missed: reads what is on screen again. */
export function resync() {
  // Without an answer from the peer, the next connection does it.
  timeline?.reload().catch(() => {});
  preview.refresh(timeline?.group);
}

/** An entry of any group has arrived. */
export function arrived(row) {
  if (row.group !== timeline?.group) return;
  const known = timeline.ids.has(row.id);
  const own = isMe(row.author);
  if (!known && !own) arrivedFromOthers(row);
  noteViewed();
  if (own && !known && row.kind === "message") said = row.id;
  if (own) timeline.delivered(row.id, 1);
  timeline.arrived(row);
  drawPills();
}

function arrivedFromOthers(row) {
  if (row.late) pills.addLate(row.id);
  if (row.kind !== "message") return;
  // Who looks elsewhere finds the line where they left off.
  if (unreadFrom === null && !row.late && !isPresent()) unreadFrom = row.id;
  if (!isFollowing() || !timeline.atEnd) pills.addFresh();
  if (isPresent()) announceMessage(row);
}

export function delivered(group, id, storedOn) {
  if (timeline?.group === group) timeline.delivered(id, storedOn);
}

/** The reader has written something: the line of unread messages is not needed any more. */
export function answered() {
  if (unreadFrom === null) return;
  unreadFrom = null;
  draw();
}

// Drawing: the document follows the timeline.

/** Many changes, one drawing. */
const redraw = framed(() => draw());

function draw() {
  if (!timeline) return;
  const keepPlace = placeKeeper();
  const newestOwn = timeline.rows.findLast((row) => row.kind === "message" && isMe(row.author))?.id;
  list.draw(timeline.rows, { unreadFrom, newestOwn, quoted: (id) => quoted(timeline, id), act });
  $("beginning").hidden = !timeline.atStart;
  preview.draw(timeline, { jump: act.jump });
  markTarget();
  keepPlace();
  said = null;
  readmark.loaded(timeline.rows);
  noteScroll();
  outbox.shown(timeline.ids);
}

/** Gives the function that puts the scroller where the reader expects it after a drawing. */
function placeKeeper() {
  const stays = !(stick && timeline.atEnd);
  if (stays && preview.fills(scroller)) {
    // Rows leave the preview at its top; those below stay where they are.
    const below = scroller.scrollHeight - scroller.scrollTop;
    return () => (scroller.scrollTop = scroller.scrollHeight - below);
  }
  const item = stays ? firstOnScreen() : null;
  // The preview is between the end and an own message that has just been stored.
  if (!item) return () => (list.has(said) && preview.isSeen(scroller) ? list.item(said).scrollIntoView({ block: "end" }) : toBottom());
  const { id } = item.dataset;
  const top = messageIn(item).getBoundingClientRect().top;
  return () => list.has(id) && (scroller.scrollTop += messageIn(list.item(id)).getBoundingClientRect().top - top);
}

const firstOnScreen = () => list.firstBelow(scroller.getBoundingClientRect().top);

function markTarget() {
  for (const element of scroller.querySelectorAll(".target")) element.classList.remove("target");
  if (list.has(target)) messageIn(list.item(target)).classList.add("target");
}

function drawQueue() {
  queue.draw(timeline);
  if (stick && timeline?.atEnd) toBottom();
}

const drawPills = () => pills.draw(timeline.rows.length > 0 && !stick);

on("outbox connection", framed(drawQueue));
on("users name preview quotes", redraw);

// Scrolling.

function toBottom() {
  scroller.scrollTop = scroller.scrollHeight;
}

function noteScroll() {
  // Before the first page there is no end to be at.
  if (!timeline || timeline.rows.length === 0) return;
  const below = scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
  stick = timeline.atEnd && below < AT_END_PX;
  noteViewed();
  if (timeline.viewed === null) pills.clearFresh();
  if (stick) markRead(timeline);
  sawLate();
  if (scroller.scrollTop < LOAD_WITHIN * scroller.clientHeight) load("older");
  if (below < LOAD_WITHIN * scroller.clientHeight) load("newer");
}

/** At the end, or with the preview on screen, which is below all rows that arrive. */
const isFollowing = () => stick || preview.isSeen(scroller);

function noteViewed() {
  if (timeline.rows.length > 0) timeline.viewed = isFollowing() ? null : (firstOnScreen()?.dataset.id ?? null);
}

function load(which) {
  if (timeline.busy || (which === "older" ? timeline.atStart : timeline.atEnd)) return;
  // The notice says that the peer does not answer; the next scrolling tries again.
  timeline[which]().catch(() => {});
}

const markRead = (here) => readmark.mark(here.group, () => here === timeline && stick);

function sawLate() {
  pills.sawLate((id) => list.item(id), scroller);
  drawPills();
}

scroller.addEventListener("scroll", framed(noteScroll), { passive: true });
new ResizeObserver(() => (stick && timeline?.atEnd ? toBottom() : noteScroll())).observe(scroller);
for (const event of ["focus", "visibilitychange"]) addEventListener(event, noteScroll);

// Going to a place in the history.

/** To the end, which may have to be loaded. */
export async function newest() {
  if (!timeline) return;
  stick = true;
  pills.clearFresh();
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

/** Shows the entry among the rows around it. */
export async function jump(id) {
  if (!timeline) return;
  stick = false;
  if (!timeline.ids.has(id)) await timeline.open(id);
  draw();
  focusOn(id);
}

function focusOn(id) {
  target = id;
  markTarget();
  const item = list.item(id);
  if (!item) return;
  stick = false;
  scroller.scrollTop += messageIn(item).getBoundingClientRect().top - scroller.getBoundingClientRect().top - scroller.clientHeight / 3;
  focusItem(item);
  noteScroll();
}

$("new-pill").addEventListener("click", () => newest().catch(() => {}));
$("late-pill").addEventListener("click", () => {
  const id = pills.takeLate();
  if (id) act.jump(id);
});
