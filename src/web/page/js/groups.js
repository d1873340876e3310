// The pane of groups: those that are joined, with the numbers of unread messages and of mentions.

import { $, el } from "./dom.js";
import { joined, kept, on, state } from "./store.js";
import { inline, oneLine } from "./text.js";
import { brief, exact } from "./time.js";

const CAP = 1000;
export const count = (number) => (number >= CAP ? "999+" : String(number));

/** By name: in a list that keeps its order, people remember where each group is. */
export const ordered = () => joined().sort((one, other) => (one.name < other.name ? -1 : 1));

/** By name. An item stays as long as its group is joined, so that traffic does not take the focus from it. */
const items = new Map();

export function render() {
  const groups = ordered();
  const names = new Set(groups.map((group) => group.name));
  for (const [name, item] of items) {
    if (names.has(name)) continue;
    item.remove();
    items.delete(name);
  }
  const list = $("group-list");
  groups.forEach((group, place) => {
    const item = items.get(group.name) ?? make(group.name);
    update(item.firstElementChild, group);
    if (list.children[place] !== item) list.insertBefore(item, list.children[place] ?? null);
  });
  title();
}

function make(name) {
  const item = el("li", {}, el("a", { href: `#/${name}` }, el("span", { class: "group-name" }, name)));
  items.set(name, item);
  return item;
}

function update(link, group) {
  const current = group.name === state.current;
  const draft = !current && kept.get(`draft:${group.name}`);
  const [unread, mentions] = [group.unread ?? 0, group.mentions ?? 0];
  link.classList.toggle("unread", unread > 0);
  link.title = group.topic ? oneLine(group.topic) : "";
  if (current) link.setAttribute("aria-current", "page");
  else link.removeAttribute("aria-current");
  const marks = [];
  if (draft) marks.push(el("span", { class: "draft-mark" }, "draft"));
  if (mentions > 0) marks.push(badge("count mentions", count(mentions), `${count(mentions)} mentions of you`, true));
  if (unread > 0) marks.push(badge("count", count(unread), `${count(unread)} unread`));
  else if (group.newest) marks.push(el("time", { class: "count", datetime: group.newest, title: exact(group.newest) }, brief(group.newest)));
  link.replaceChildren(link.firstElementChild, ...marks);
}

const badge = (className, text, label, at = false) =>
  el("span", { class: className }, el("span", { "aria-hidden": "true" }, at ? `@${text}` : text), el("span", { class: "hidden" }, `, ${label}`));

function title() {
  const unread = joined().reduce((sum, group) => sum + (group.unread ?? 0), 0);
  const mentions = joined().reduce((sum, group) => sum + (group.mentions ?? 0), 0);
  const marks = mentions > 0 ? `(@${count(mentions)}) ` : unread > 0 ? `(${count(unread)}) ` : "";
  document.title = `${marks}${state.current ? `${state.current} · ` : ""}peer`;
}

function name() {
  const place = $("my-name");
  if (state.name) place.replaceChildren(inline(state.name));
  else place.replaceChildren(el("span", { class: "unnamed" }, "Choose a name"));
}

on("groups current drafts", render);
on("name", name);

/** The group `steps` below the current one; below the last one is the first. */
export function neighbour(steps) {
  const names = ordered().map((group) => group.name);
  if (names.length === 0) return null;
  const at = names.indexOf(state.current);
  return names[(at + steps + names.length) % names.length] ?? names[0];
}

/** The next group with a mention below the current one; without any, the next with an unread message. */
export function nextUnread() {
  const groups = ordered();
  const at = groups.findIndex((group) => group.name === state.current);
  const turned = [...groups.slice(at + 1), ...groups.slice(0, Math.max(0, at))];
  return (turned.find((group) => group.mentions > 0) ?? turned.find((group) => group.unread > 0))?.name ?? null;
}
