// Shows other people's text safely. Characters that could hide or reorder text are shown as their code points, only http
// and https links can be clicked, with their target as the title, and everything becomes text nodes.

import { el } from "./dom.js";

// Controls except tab and line feed, direction marks, invisible characters, and line ends that only some programs know:
// as in `src/text.rs`, except that a single joiner stays, since a browser joins characters that a terminal cannot.
const INVISIBLE =
  "\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u070f\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b\\u200e\\u200f\\u2028-\\u202e" +
  "\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff0-\\ufffb\\u{110bd}\\u{110cd}\\u{13430}-\\u{1343f}\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}" +
  "\\u{e0000}-\\u{e00ff}\\u{e01f0}-\\u{e0fff}";
// Variation selectors after characters without variants, and joiners that join nothing.
const MISPLACED = "(?<![^\\u0000-\\u007f\\ufe00-\\ufe0f]|[0-9#*])[\\ufe00-\\ufe0f]|(?<!\\p{Ideographic})[\\u{e0100}-\\u{e01ef}]|(?<=[\\u200c\\u200d]|^)[\\u200c\\u200d]";
const HIDDEN = new RegExp(`[${INVISIBLE}]|${MISPLACED}`, "gu");
// More marks on one letter than any script uses. Variation selectors are marks of their own and are left out.
const STACKED = /((?:(?![\ufe00-\ufe0f\u{e0100}-\u{e01ef}])[\p{Mn}\p{Me}]){6})((?:(?![\ufe00-\ufe0f\u{e0100}-\u{e01ef}])[\p{Mn}\p{Me}])+)/gu;
const unstacked = (text) => text.replace(STACKED, (_, kept, rest) => `${kept}[${[...rest].length} more marks]`);
const LINK = /\bhttps?:\/\/[^\s<>"'`{}|\\^]+/giu;
const NAME = /(?<![\p{L}\p{N}_])@([\p{L}\p{N}_][\p{L}\p{N}_.-]*)/gu;
const TRAILING = /[.,;:!?'"»”’*_~]+$/u;

const code = (character) => `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

/** The text as one string, for titles and labels. */
export function plain(text) {
  return unstacked(text.replace(/\r\n/g, "\n")).replace(HIDDEN, (character) => `[${code(character)}]`);
}

export const oneLine = (text) => plain(text).replace(/\s+/g, " ").trim();

/** Text on one line, as nodes. */
export function inline(text) {
  const fragment = document.createDocumentFragment();
  put(fragment, unstacked(text.replace(/[\r\n\t]+/g, " ")), (piece) => fragment.append(piece));
  return fragment;
}

/** The body of a message as nodes, with links and mentions; `isMine` tells whether a mention is of this person. */
export function body(text, isMine) {
  const fragment = document.createDocumentFragment();
  put(fragment, unstacked(text.replace(/\r\n/g, "\n")), (piece) => linked(fragment, piece, isMine));
  return fragment;
}

/** Shows hidden characters as code points, and calls `visible` with each piece between them: no link spans one. */
function put(fragment, text, visible) {
  let from = 0;
  for (const match of text.matchAll(HIDDEN)) {
    if (match.index > from) visible(text.slice(from, match.index));
    fragment.append(el("span", { class: "control", title: "An invisible character" }, code(match[0])));
    from = match.index + match[0].length;
  }
  if (from < text.length) visible(text.slice(from));
}

function linked(fragment, text, isMine) {
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    const written = trimmed(match[0]);
    const target = safe(written);
    if (!target) continue;
    named(fragment, text.slice(from, match.index), isMine);
    fragment.append(el("a", { href: target, target: "_blank", rel: "noopener noreferrer nofollow", referrerPolicy: "no-referrer", title: target }, written));
    from = match.index + written.length;
  }
  named(fragment, text.slice(from), isMine);
}

function named(fragment, text, isMine) {
  let from = 0;
  for (const match of text.matchAll(NAME)) {
    fragment.append(text.slice(from, match.index));
    fragment.append(el("span", { class: isMine(match[1]) ? "mention-name mine" : "mention-name" }, match[0]));
    from = match.index + match[0].length;
  }
  fragment.append(text.slice(from));
}

/** The link without the punctuation of the sentence around it. */
function trimmed(link) {
  let text = link;
  for (;;) {
    const before = text;
    text = text.replace(TRAILING, "");
    for (const [open, close] of ["()", "[]"]) {
      if (text.endsWith(close) && text.split(close).length > text.split(open).length) text = text.slice(0, -1);
    }
    if (text === before) return text;
  }
}

/** The target of a link that can be clicked, or `null`. A user name could pass for the host, so links with one cannot. */
export function safe(link) {
  let url;
  try {
    url = new URL(link);
  } catch {
    return null;
  }
  const web = url.protocol === "http:" || url.protocol === "https:";
  return web && !url.username && !url.password && url.hostname ? url.href : null;
}

const EMOJI = /^(?:\p{Extended_Pictographic}|\p{Emoji_Modifier}|[\u200d\ufe0f\u{1f1e6}-\u{1f1ff}]|\s){1,24}$/u;
export const onlyEmoji = (text) => EMOJI.test(text) && text.trim() !== "";

/** The same text for names that look alike. */
export const skeleton = (name) =>
  name.normalize("NFKD").replace(/\p{M}/gu, "").replace(HIDDEN, "").replace(/\s+/g, " ").trim().toLowerCase();
