// The read mark: the highest arrival number of the rows that were loaded while the reader was at the end.

import { api } from "./api.js";
import { isPresent } from "./dom.js";
import { changed, groupOf } from "./store.js";

const DELAY_MS = 250;

let timer = null;
let highest = 0;
/** The highest number that the peer was told. */
let sent = -1;

/** Forgets the group that was on screen. */
export function reset() {
  clearTimeout(timer);
  [timer, highest, sent] = [null, 0, -1];
}

export function loaded(rows) {
  for (const row of rows) highest = Math.max(highest, row.arrival);
}

/** Sets the mark a moment later if the reader is still there. A timer that runs is kept: in a busy group it would never fire otherwise. */
export function mark(name, isAtEnd) {
  if (!isPresent() || highest <= sent || timer !== null) return;
  timer = setTimeout(async () => {
    timer = null;
    const group = groupOf(name);
    if (!isAtEnd() || !isPresent() || !group?.joined || highest <= Math.max(sent, group.read ?? 0)) return;
    sent = highest;
    try {
      Object.assign(group, await api.setRead(name, highest));
      changed("groups");
    } catch {
      sent = -1;
    }
  }, DELAY_MS);
}
