// The two buttons above the composer: new messages below the screen, and late messages above it.

import { $, isPresent } from "./dom.js";

const newPill = $("new-pill");
const latePill = $("late-pill");

/** New messages since the reader left the end. */
let fresh = 0;
/** Ids of late messages that have not been on screen, in order of arrival. */
let late = new Set();

export function reset() {
  fresh = 0;
  late = new Set();
  draw(false);
}

export const addFresh = () => (fresh += 1);
export const clearFresh = () => (fresh = 0);
export const addLate = (id) => late.add(id);

/** Removes and gives the late message that arrived first. */
export function takeLate() {
  const [first] = late;
  late.delete(first);
  drawLate();
  return first;
}

/** Forgets the late messages that are on screen: `itemOf` gives the element of a row. */
export function sawLate(itemOf, scroller) {
  if (late.size === 0 || !isPresent()) return;
  const frame = scroller.getBoundingClientRect();
  for (const id of late) {
    const rect = itemOf(id)?.getBoundingClientRect();
    if (rect && rect.bottom > frame.top && rect.top < frame.bottom) late.delete(id);
  }
}

/** `isAway` tells whether the reader is not at the end. */
export function draw(isAway) {
  newPill.hidden = !isAway;
  newPill.textContent = fresh > 0 ? `${fresh.toLocaleString()} new ↓` : "Newest ↓";
  drawLate();
}

function drawLate() {
  latePill.hidden = late.size === 0;
  latePill.textContent = late.size === 1 ? "1 late message ↑" : `${late.size} late messages ↑`;
}
