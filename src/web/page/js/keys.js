// Keys that work everywhere on the page. Each part handles the keys of its own.

import { isOpen } from "./dialogs.js";

const writing = (element) => element?.matches?.("input, textarea, [contenteditable]");

/** `act` holds a function for each action. */
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
  // The code of the key, since Alt changes the character.
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
