// Rows as a list in the document. An element stays as long as it looks the same, so that the focus, a selection or a
// pointer on it survive what changes around it.

import { dress, render } from "./row.js";

/** The message within an item, below its day and the line of unread messages. */
export const messageIn = (item) => item.querySelector(".message");

export const focusItem = (item) => messageIn(item)?.focus({ preventScroll: true });

export class RowList {
  /** Fills `list`. */
  constructor(list) {
    this.list = list;
    /** By id: `{item, look}`. */
    this.shown = new Map();
  }

  clear() {
    this.shown = new Map();
    this.list.replaceChildren();
  }

  has(id) {
    return this.shown.has(id);
  }

  item(id) {
    return this.shown.get(id)?.item;
  }

  /**
   * Shows `rows` and nothing else. `unreadFrom` and `newestOwn` are ids of rows, `quoted` gives the row that an id
   * stands for, and `act` is what can be done with a row (see `render`).
   */
  draw(rows, { unreadFrom = null, newestOwn = null, quoted, act }) {
    const next = new Map();
    let above = null;
    let place = this.list.firstElementChild;
    for (const row of rows) {
      const how = { above, unread: row.id === unreadFrom, newest: row.id === newestOwn, quoted: row.re ? quoted(row.re) : null, act };
      const look = dress(row, how);
      let piece = this.shown.get(row.id);
      if (piece?.look !== look) {
        const item = render(row, how);
        if (piece) {
          if (piece.item === place) place = place.nextElementSibling;
          replace(piece.item, item);
        }
        piece = { item, look };
      }
      if (piece.item === place) place = place.nextElementSibling;
      else this.list.insertBefore(piece.item, place);
      next.set(row.id, piece);
      above = row;
    }
    for (const [id, piece] of this.shown) if (!next.has(id)) piece.item.remove();
    this.shown = next;
  }

  /** The first item that reaches below `top`, in pixels of the window. */
  firstBelow(top) {
    const items = this.list.children;
    let [low, high] = [0, items.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (items[middle].getBoundingClientRect().bottom > top) high = middle;
      else low = middle + 1;
    }
    return items[low] ?? null;
  }
}

function replace(old, item) {
  const focused = old.contains(document.activeElement);
  old.replaceWith(item);
  if (focused) focusItem(item);
}
