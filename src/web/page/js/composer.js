// The composer: a draft for each group, the reply that is being written, and completion of names.

import { announce } from "./announcer.js";
import { $ } from "./dom.js";
import { answered, newest } from "./history.js";
import * as outbox from "./outbox.js";
import { excerpt } from "./row.js";
import { changed, kept, nameOf, on, state } from "./store.js";
import { oneLine } from "./text.js";
import { page, step } from "./walk.js";

const BODY_BYTES_MAX = 64 * 1024;
const DRAFT_AFTER_MS = 300;
const HINT = "Enter sends, Shift+Enter starts a new line";

const input = $("composer-text");
let group = null;
/** The row that the message replies to. */
let re = null;
let timer = null;
/** The names that Tab goes through: `{start, end, names, at}`. */
let completion = null;

export function open(name) {
  save();
  group = name;
  const draft = read();
  input.value = draft.text;
  re = draft.re;
  input.placeholder = `Write to ${name}`;
  showReply();
  hint("");
  size();
}

function read() {
  try {
    const draft = JSON.parse(kept.get(`draft:${group}`) ?? "{}");
    return { text: typeof draft.text === "string" ? draft.text : "", re: draft.re ?? null };
  } catch {
    return { text: "", re: null };
  }
}

function save() {
  clearTimeout(timer);
  if (group === null) return;
  const draft = input.value.trim() || re ? JSON.stringify({ text: input.value, re: re && { id: re.id, author: re.author, name: re.name, body: re.body?.slice(0, 200) ?? null } }) : null;
  if (draft === kept.get(`draft:${group}`)) return;
  kept.set(`draft:${group}`, draft);
  changed("drafts");
}

addEventListener("pagehide", save);

export const focus = () => input.focus();

export function reply(row) {
  re = row;
  showReply();
  save();
  input.focus();
}

/** Gives `false` if no reply was being written. */
export function cancelReply() {
  if (!re) return false;
  re = null;
  showReply();
  save();
  return true;
}

function showReply() {
  $("reply-to").hidden = re === null;
  if (re) $("reply-text").textContent = `Reply to ${oneLine(nameOf(re.author, re.name))}: ${excerpt(re)}`;
}

/** Shows what is wrong below the field; with an empty text, the usual hint. */
export function hint(text) {
  $("hint-text").textContent = text || HINT;
  $("composer-hint").classList.toggle("danger", text !== "");
  if (text) announce(text);
}

function submit() {
  const body = input.value.replace(/\s+$/, "");
  if (!body.trim() || group === null) return;
  const length = new TextEncoder().encode(body).length;
  if (length > BODY_BYTES_MAX) return hint(`A message can have up to 65,536 bytes; this one has ${length.toLocaleString()}. Split it.`);
  outbox.send(group, body, re?.id);
  input.value = "";
  re = null;
  showReply();
  hint("");
  save();
  size();
  answered();
  newest().catch(() => {});
}

/** Makes the field as high as its text, in browsers without `field-sizing`. */
function size() {
  if (CSS.supports("field-sizing", "content")) return;
  input.style.setProperty("height", "auto");
  input.style.setProperty("height", `${input.scrollHeight + 2}px`);
}

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
  input.focus();
});
$("cancel-reply").addEventListener("click", () => {
  cancelReply();
  input.focus();
});
input.addEventListener("input", () => {
  completion = null;
  size();
  if ($("composer-hint").classList.contains("danger")) hint("");
  clearTimeout(timer);
  timer = setTimeout(save, DRAFT_AFTER_MS);
});
input.addEventListener("keydown", (event) => {
  // Enter confirms the choice of an input method.
  if (event.isComposing) return;
  if (event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.altKey) {
    event.preventDefault();
    submit();
  } else if (event.key === "ArrowUp" && input.value === "") {
    event.preventDefault();
    step(0);
  } else if ((event.key === "PageUp" || event.key === "PageDown") && !event.ctrlKey) {
    event.preventDefault();
    page(event.key === "PageUp" ? -1 : 1);
  } else if (event.key === "Tab" && !event.shiftKey && complete()) {
    event.preventDefault();
  }
});

/** Completes the name after the @ before the caret; the next call replaces it by the next name. */
function complete() {
  if (!completion) {
    const caret = input.selectionStart;
    const match = /(?:^|\s)@([\p{L}\p{N}_.-]+)$/u.exec(input.value.slice(0, caret));
    if (!match) return false;
    const wanted = match[1].toLowerCase();
    const names = new Set([...state.users.values()].map((user) => user.name).filter((name) => name?.toLowerCase().startsWith(wanted)));
    if (names.size === 0) return false;
    completion = { start: caret - match[1].length, end: caret, names: [...names].sort(), at: -1 };
  }
  completion.at = (completion.at + 1) % completion.names.length;
  const name = `${completion.names[completion.at]} `;
  const { start, end } = completion;
  const kept = completion;
  input.setRangeText(name, start, end, "end");
  kept.end = start + name.length;
  completion = kept;
  announce(name);
  return true;
}

on("connection", () => ($("send").title = state.connection === "up" ? "" : "Kept in this browser until your peer answers"));
