// Moving through the history by keys: the focus goes from message to message.

import { act, newest, oldest, rowOf, scroller } from "./history.js";
import { $ } from "./dom.js";
import { focusItem, messageIn } from "./rowlist.js";

const list = $("history");
/** Of the scroller's height: what is scrolled by one press of Page Up or Page Down. */
const PAGE_PART = 0.85;
/** In pixels: what stays visible above and below the message with the focus. */
const MARGIN_TOP = 32;
const MARGIN_BOTTOM = 8;

/** Moves the focus by `steps` messages; from outside of the history, to the last message on screen. */
export function step(steps) {
  const items = [...list.children];
  if (items.length === 0) return;
  const at = items.findIndex((item) => item.contains(document.activeElement));
  const frame = scroller.getBoundingClientRect();
  const last = () => items.findLastIndex((item) => item.getBoundingClientRect().top < frame.bottom - MARGIN_BOTTOM);
  const item = items[Math.min(items.length - 1, Math.max(0, at < 0 ? last() : at + steps))];
  focusItem(item);
  const rect = messageIn(item).getBoundingClientRect();
  if (rect.top < frame.top + MARGIN_TOP) scroller.scrollTop -= frame.top + MARGIN_TOP - rect.top;
  else if (rect.bottom > frame.bottom - MARGIN_BOTTOM) {
    scroller.scrollTop += Math.min(rect.bottom - frame.bottom + MARGIN_BOTTOM, rect.top - frame.top - MARGIN_BOTTOM);
  }
}

/** Scrolls up or down by almost a screen; the focus stays. */
export function page(direction) {
  scroller.scrollBy({ top: direction * scroller.clientHeight * PAGE_PART, behavior: "instant" });
}

const focusedRow = () => rowOf(document.activeElement?.closest?.(".message-item")?.dataset.id);

scroller.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("button, a")) return;
  const row = focusedRow();
  const reply = row?.kind === "message" && (() => act.reply(row));
  const keys = {
    ArrowUp: () => step(-1),
    ArrowDown: () => step(1),
    k: () => step(-1),
    j: () => step(1),
    Home: () => oldest().catch(() => {}),
    End: () => newest().catch(() => {}),
    r: reply,
    Enter: reply,
    d: row && (() => act.details(row)),
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});
