// How people are shown: a name in the colour of its key, and the key itself where names could be mistaken.

import { el } from "./dom.js";
import { isAmbiguous, nameOf, shortKey } from "./store.js";
import { inline, plain } from "./text.js";

/** Of 360 degrees, always the same for a key. Lightness and chroma come from the theme, so contrast does too. */
export const hue = (key) => Number.parseInt(key.slice(0, 6), 16) % 360;

/** A member: `known` is the name that came along, if any. */
export function author(key, known) {
  const name = nameOf(key, known);
  const named = name !== shortKey(key);
  const element = el("span", { class: "author", title: `${plain(name)} · key ${key}` }, el("bdi", {}, inline(name)));
  element.style.setProperty("--hue", hue(key));
  if (!named || !isAmbiguous(name)) return element;
  return el("span", { class: "who" }, element, " ", el("span", { class: "short-key", title: "more than one member has such a name" }, shortKey(key)));
}
