// The messages that replies quote, which may be outside the window of the history.

import { Refused, api } from "./api.js";
import { changed } from "./store.js";

const QUOTES_MAX = 1000;

/** By id: the row; `null` while it is being read, or where the peer does not have it. */
const quotes = new Map();

/** The row `id` of the timeline's group, or `null`. `changed("quotes")` tells when one has been read. */
export function quoted(timeline, id) {
  const known = timeline.rows.find((row) => row.id === id) ?? quotes.get(id);
  if (known !== undefined) return known;
  if (quotes.size >= QUOTES_MAX) quotes.delete(quotes.keys().next().value);
  quotes.set(id, null);
  api.entry(timeline.group, id).then(
    (row) => {
      quotes.set(id, row);
      changed("quotes");
    },
    (error) => {
      // The peer did not answer: the next drawing asks again.
      if (!(error instanceof Refused)) quotes.delete(id);
    },
  );
  return null;
}
