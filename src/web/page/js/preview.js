// The newest messages of a group that is still caught up with, as a peer sent them ahead of what comes before them.
// They stand below the history and are looked at only: nothing is read, answered, counted or paged by them.

import { api } from "./api.js";
import { $, coalesced, el } from "./dom.js";
import { author } from "./people.js";
import { dress, render } from "./row.js";
import { changed } from "./store.js";

const NONE = { from: null, entries: [] };

const section = $("preview");
const list = $("preview-list");

/** What the group on screen has: `{group, answer, refresh}`, anew with each opening, so that no old answer is shown. */
let current = null;
/** By id: `{item, look}`. */
let shown = new Map();

export function open(group) {
  close();
  const mine = { group, answer: NONE };
  mine.refresh = coalesced(async () => {
    // Where it cannot be told, there is none.
    mine.answer = (await api.preview(group).catch(() => null)) ?? NONE;
    if (mine === current) changed("preview");
  });
  current = mine;
  mine.refresh();
}

export function close() {
  current = null;
  clear();
}

function clear() {
  section.hidden = true;
  shown = new Map();
  list.replaceChildren();
}

/** It is another than before, or gone. */
export function refresh(group) {
  if (current && group === current.group) current.refresh();
}

/** Shows what the window of the history does not have, where it reaches to the end. */
export function draw(timeline, act) {
  const rows = timeline.atEnd ? (current?.answer.entries ?? []).filter((row) => !timeline.ids.has(row.id)) : [];
  if (rows.length === 0) return clear();
  const next = new Map();
  let above = null;
  for (const row of rows) {
    // It has no place and no number yet.
    const plainly = { ...row, late: false, stored_on: null };
    const quoted = row.re ? [...timeline.rows, ...rows].find((other) => other.id === row.re) : null;
    const look = `${dress(plainly, above, false, false)}|${quoted ? "q" : ""}`;
    const piece = shown.get(row.id);
    next.set(row.id, piece?.look === look ? piece : { look, item: render(plainly, { above, unread: false, newest: false, quoted, act }) });
    above = plainly;
  }
  for (const [id, piece] of shown) if (next.get(id) !== piece) piece.item.remove();
  [...next.values()].forEach(({ item }, place) => item !== list.children[place] && list.insertBefore(item, list.children[place] ?? null));
  shown = next;
  const { from } = current.answer;
  const by = from ? [" by ", author(from)] : [];
  $("preview-title").replaceChildren("The newest messages, sent ahead", ...by, ". What comes before them is still on its way.");
  section.hidden = false;
}

/** Some of it is on screen. */
export function isSeen(scroller) {
  return !section.hidden && section.getBoundingClientRect().top < scroller.getBoundingClientRect().bottom;
}

/** It is most of what is on screen. */
export function fills(scroller) {
  const frame = scroller.getBoundingClientRect();
  return !section.hidden && section.getBoundingClientRect().top < (frame.top + frame.bottom) / 2;
}
