// How people are shown: by name, in a colour that depends on the key, with the key where two names look alike.

import { el } from "./dom.js";
import { isAmbiguous, nameOf, shortKey } from "./store.js";
import { inline, plain } from "./text.js";

/** In degrees. Lightness and chroma come from the theme, which gives every hue enough contrast. */
export const hue = (key) => Number.parseInt(key.slice(0, 6), 16) % 360;

/** A member's name; `known` is the name that came with the row, if any. */
export function author(key, known) {
  const name = nameOf(key, known);
  const named = name !== shortKey(key);
  const element = el("span", { class: "author", title: `${plain(name)} · key ${key}` }, el("bdi", {}, inline(name)));
  element.style.setProperty("--hue", hue(key));
  if (!named || !isAmbiguous(name)) return element;
  return el("span", { class: "who" }, element, " ", el("span", { class: "short-key", title: "Another member has a name that looks like this one" }, shortKey(key)));
}
