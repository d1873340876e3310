// The preview: the newest messages of a group whose history is still being fetched. It is shown below the history and
// is not part of it: its rows have no place yet, so they cannot be answered, counted, marked as read or paged through.

import { api } from "./api.js";
import { $, coalesced } from "./dom.js";
import { author } from "./people.js";
import { RowList } from "./rowlist.js";
import { changed } from "./store.js";

const NONE = { from: null, entries: [] };

const section = $("preview");
const list = new RowList($("preview-list"));

/** `{group, answer, refresh}` of the group on screen. Each opening makes a new one, so that an old answer is not shown. */
let current = null;

export function open(group) {
  close();
  const mine = { group, answer: NONE };
  mine.refresh = coalesced(async () => {
    mine.answer = (await api.preview(group).catch(() => null)) ?? NONE;
    if (mine === current) changed("preview");
  });
  current = mine;
  mine.refresh();
}

export function close() {
  current = null;
  hide();
}

function hide() {
  section.hidden = true;
  list.clear();
}

/** The preview of `group` has changed, or is gone. */
export function refresh(group) {
  if (current && group === current.group) current.refresh();
}

/** Shows the rows that the history does not contain, if the history is loaded up to its newest row. */
export function draw(timeline, act) {
  const entries = timeline.atEnd && current ? current.answer.entries : [];
  const rows = entries.filter(({ id }) => !timeline.ids.has(id)).map((row) => ({ ...row, late: false, stored_on: null }));
  if (rows.length === 0) return hide();
  const quoted = (id) => [...timeline.rows, ...rows].find((row) => row.id === id);
  list.draw(rows, { quoted, act });
  const { from } = current.answer;
  const by = from ? [" from ", author(from)] : [];
  $("preview-title").replaceChildren("Preview", ...by, ": the newest messages. Those before them are still being fetched.");
  section.hidden = false;
}

/** Whether some of it is on screen. */
export function isSeen(scroller) {
  return !section.hidden && section.getBoundingClientRect().top < scroller.getBoundingClientRect().bottom;
}

/** Whether it takes more than half of the screen. */
export function fills(scroller) {
  const frame = scroller.getBoundingClientRect();
  return !section.hidden && section.getBoundingClientRect().top < (frame.top + frame.bottom) / 2;
}
