// The pane on the right: the members of the group, or a search.

import { Refused, api } from "./api.js";
import { $, coalesced, el } from "./dom.js";
import { reason } from "./dialogs.js";
import { author } from "./people.js";
import { excerpt } from "./row.js";
import { changed, isMe, on, state } from "./store.js";
import { inline, skeleton } from "./text.js";
import { brief, exact } from "./time.js";

/** "none", "people" or "search". */
let shown = "none";
let opener = null;
let members = [];
let filter = "";

export const isShown = () => shown;

export function show(which) {
  if (shown === "none") opener = document.activeElement;
  shown = which;
  document.body.dataset.side = which;
  $("side").hidden = which === "none";
  $("open-people").setAttribute("aria-expanded", String(which === "people"));
  if (which === "people") people();
  if (which === "search") search();
  if (which === "none" && opener?.isConnected) opener.focus();
  changed("side");
}

export const toggle = (which) => show(shown === which ? "none" : which);

// Members.

function people() {
  filter = "";
  const input = el("input", { type: "search", placeholder: "Find a member", "aria-label": "Find a member", autocomplete: "off", value: "" });
  input.addEventListener("input", () => {
    filter = input.value;
    listPeople();
  });
  $("side-body").replaceChildren(el("div", { class: "fixed" }, input), el("div", { id: "people", class: "list", tabIndex: 0, role: "region", "aria-label": "Members of the group" }));
  fetchPeople();
}

const fetchPeople = coalesced(async () => {
  if (shown !== "people" || !state.current) return;
  const group = state.current;
  try {
    const users = await api.users(group);
    if (group !== state.current) return;
    members = users.filter((user) => user.joined);
    listPeople();
  } catch (error) {
    $("people")?.replaceChildren(el("p", { class: "none" }, reason(error)));
  }
});

const byName = new Intl.Collator(undefined, { numeric: true });

function listPeople() {
  const place = $("people");
  if (!place) return;
  const wanted = skeleton(filter);
  const named = (user) => user.name ?? `\uffff${user.key}`;
  const found = members.filter((user) => skeleton(user.name ?? "").includes(wanted) || user.key.startsWith(wanted));
  found.sort((one, other) => byName.compare(named(one), named(other)));
  const [here, away] = [found.filter((user) => user.connected), found.filter((user) => !user.connected)];
  const section = (title, users) => (users.length ? [el("h3", {}, `${title}, ${users.length.toLocaleString()}`), el("ul", {}, ...users.map(person))] : []);
  place.replaceChildren(...section("Connected", here), ...section("Away", away), ...(found.length ? [] : [el("p", { class: "none" }, "No member has this name.")]));
  $("side-title").textContent = `Members of ${state.current}`;
}

function person(user) {
  const item = el("li", { class: user.connected ? "person connected" : "person" }, el("span", { class: "lamp", "aria-hidden": "true" }), el("span", { class: "who" }, author(user.key, user.name)));
  if (isMe(user.key)) item.append(el("span", { class: "note" }, "you"));
  return item;
}

on("users current", () => {
  if (shown === "people") fetchPeople();
});

// Search.

let asked = null;
let text = "";
let everywhere = false;

function search() {
  $("side-title").textContent = "Search";
  const input = el("input", { type: "search", placeholder: "Words, or their beginnings", "aria-label": "Search messages", autocomplete: "off", value: text, enterKeyHint: "search" });
  const radio = (label, value) => el("label", {}, el("input", { type: "radio", name: "scope", checked: everywhere === value, onchange: () => {
    everywhere = value;
    find();
  } }), label);
  const results = el("div", { id: "hits", class: "list", tabIndex: 0, role: "region", "aria-label": "Messages found" });
  const count = el("p", { id: "hit-count", class: "none hidden", role: "status" });
  $("side-body").replaceChildren(el("div", { class: "fixed" }, input, el("div", { class: "scope", role: "radiogroup", "aria-label": "Where to search" }, radio("This group", false), radio("All groups", true))), count, results);
  let timer = null;
  input.addEventListener("input", () => {
    text = input.value;
    clearTimeout(timer);
    timer = setTimeout(find, 120);
  });
  input.addEventListener("keydown", (event) => {
    const first = results.querySelector("button");
    if (event.key === "ArrowDown" && first) {
      event.preventDefault();
      first.focus();
    }
  });
  results.addEventListener("keydown", (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const buttons = [...results.querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement);
    if (!steps || at < 0) return;
    event.preventDefault();
    (buttons[at + steps] ?? (steps < 0 ? input : buttons[at])).focus();
  });
  if (text) find();
  input.focus();
  input.select();
}

async function find() {
  asked?.abort();
  const mine = (asked = new AbortController());
  const place = $("hits");
  if (!place || shown !== "search") return;
  if (!text.trim()) return place.replaceChildren();
  try {
    const hits = await api.search(text, everywhere ? undefined : state.current, mine.signal);
    if (mine.signal.aborted) return;
    place.replaceChildren(...hits.map(hit), ...(hits.length ? [] : [el("p", { class: "none" }, "No message contains these words.")]));
    $("hit-count").textContent = `${hits.length} messages found`;
  } catch (error) {
    if (!mine.signal.aborted) place.replaceChildren(el("p", { class: "none" }, error instanceof Refused && error.code === "not-joined" ? "Join the group to search it." : reason(error)));
  }
}

function hit(row) {
  const meta = el("span", { class: "meta" }, row.from ? el("bdi", { class: "relay" }, inline(row.from)) : author(row.author, row.name), everywhere ? el("span", {}, `in ${row.group}`) : null, el("time", { datetime: row.at, title: exact(row.at) }, brief(row.at)));
  const button = el("button", { class: "hit", type: "button" }, meta, el("span", { class: "excerpt", dir: "auto" }, marked(around(excerpt(row)))));
  button.addEventListener("click", () => {
    location.hash = `#/${row.group}/${row.id}`;
    if (matchMedia("(max-width: 1060px)").matches) show("none");
  });
  return button;
}

const words = () => text.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter(Boolean);

/** The line from a little before the first word that was found. */
function around(line) {
  const lower = line.toLowerCase();
  const first = words().map((word) => lower.indexOf(word)).filter((place) => place >= 0).sort((one, other) => one - other)[0] ?? 0;
  return first > 80 ? `…${line.slice(first - 60).replace(/^[\udc00-\udfff]/, "")}` : line;
}

function marked(line) {
  const fragment = document.createDocumentFragment();
  const found = words().map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  let from = 0;
  if (found.length) {
    for (const match of line.matchAll(new RegExp(`(?<![\\p{L}\\p{N}])(?:${found.join("|")})`, "giu"))) {
      fragment.append(line.slice(from, match.index), el("mark", {}, match[0]));
      from = match.index + match[0].length;
    }
  }
  fragment.append(line.slice(from));
  return fragment;
}
