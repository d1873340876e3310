// Keys that work everywhere on the page. Those of one part are handled by it.

import { isOpen } from "./dialogs.js";

const writing = (element) => element?.matches?.("input, textarea, [contenteditable]");

/** `act` maps what to do to functions. */
export function listen(act) {
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || isOpen()) return;
    const run = choose(event, act);
    if (!run) return;
    event.preventDefault();
    run();
  });
}

function choose(event, act) {
  const control = event.ctrlKey || event.metaKey;
  // By place on the keyboard, since Alt changes what a letter writes.
  if (event.altKey && !control && !event.shiftKey) {
    return { ArrowUp: act.above, ArrowDown: act.below, KeyA: act.unread, KeyM: act.people, KeyT: act.topic, KeyL: act.late }[event.code];
  }
  if (control && !event.altKey) {
    if (event.key.toLowerCase() === "k" && !event.shiftKey) return act.switch;
    if (event.key.toLowerCase() === "f" && event.shiftKey) return act.search;
    return undefined;
  }
  if (event.key === "Escape") return act.escape;
  if (writing(document.activeElement)) return undefined;
  return { "?": act.help, "/": act.search }[event.key];
}
