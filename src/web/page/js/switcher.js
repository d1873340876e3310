// The dialog with one field to go to a group, join one or create one.

import { api } from "./api.js";
import { el } from "./dom.js";
import { open as openDialog, reason } from "./dialogs.js";
import { count } from "./groups.js";
import { on, state } from "./store.js";
import { oneLine } from "./text.js";

const NAME = /^[a-z0-9][a-z0-9_-]{0,31}$/;
const SHOWN_MAX = 60;

/** Draws the list again while the dialog is open. */
let redraw = () => {};
on("groups", () => redraw());

export function open(go, refetch) {
  const input = el("input", { placeholder: "Group name", autocomplete: "off", spellcheck: false, role: "combobox", "aria-expanded": "true", "aria-controls": "options", "aria-autocomplete": "list", "aria-label": "Group to go to, join or create", autocapitalize: "none" });
  const list = el("ul", { id: "options", class: "options", role: "listbox", "aria-label": "Groups" });
  const error = el("p", { class: "error", role: "alert" });
  const hint = el("p", { class: "muted" });
  let choices = [];
  let chosen = 0;

  const draw = () => {
    choices = matching(input.value);
    chosen = Math.min(chosen, Math.max(0, choices.length - 1));
    list.replaceChildren(...choices.map(option));
    const name = input.value.trim().toLowerCase();
    hint.textContent = choices.length === 0 ? (name ? "A group's name has up to 32 characters, a–z, 0–9, - and _, and begins with a letter or digit." : "No groups yet: type a name to create one.") : "";
    select();
  };
  const select = () => {
    [...list.children].forEach((item, place) => item.setAttribute("aria-selected", String(place === chosen)));
    const item = list.children[chosen];
    if (item) input.setAttribute("aria-activedescendant", item.id);
    else input.removeAttribute("aria-activedescendant");
    item?.scrollIntoView({ block: "nearest" });
  };
  const option = (choice, place) => {
    const unread = choice.group?.unread > 0 ? ` · ${count(choice.group.unread)} unread` : "";
    const about = choice.group?.topic ? oneLine(choice.group.topic) : "";
    return el("li", { id: `option-${place}`, class: "option", role: "option", onclick: () => take(choice) }, el("span", {}, choice.name), el("span", { class: "about" }, about), el("span", { class: "what" }, choice.what + unread));
  };
  const take = async (choice) => {
    if (!choice) return;
    error.textContent = "";
    try {
      if (choice.act === "join") await api.join(choice.name);
      if (choice.act === "create") await api.create(choice.name);
      if (choice.act !== "go") await refetch();
      dialog.close();
      go(choice.name);
    } catch (problem) {
      error.textContent = reason(problem);
    }
  };
  input.addEventListener("input", () => {
    chosen = 0;
    draw();
  });
  input.addEventListener("keydown", (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (steps && choices.length) {
      event.preventDefault();
      chosen = (chosen + steps + choices.length) % choices.length;
      select();
    } else if (event.key === "Enter") {
      event.preventDefault();
      take(choices[chosen]);
    }
  });
  const dialog = openDialog("Groups", [input, list, hint, error], { className: "switcher", bare: true });
  dialog.addEventListener("close", () => (redraw = () => {}));
  redraw = draw;
  draw();
  input.focus();
}

function matching(text) {
  const wanted = text.trim().toLowerCase();
  const rank = (group) => {
    if (group.name === wanted) return 0;
    if (group.name.startsWith(wanted)) return 1;
    return group.name.includes(wanted) ? 2 : 3;
  };
  const urgent = (group) => (group.mentions > 0 ? 0 : group.unread > 0 ? 1 : 2);
  const order = (one, other) =>
    rank(one) - rank(other) || Number(other.joined) - Number(one.joined) || urgent(one) - urgent(other) || (one.name < other.name ? -1 : 1);
  const found = state.groups.filter((group) => rank(group) < 3).sort(order).slice(0, SHOWN_MAX);
  const choices = found.map((group) => ({ name: group.name, group, act: group.joined ? "go" : "join", what: group.joined ? "go to" : "join" }));
  if (NAME.test(wanted) && !state.groups.some((group) => group.name === wanted)) choices.push({ name: wanted, act: "create", what: "create" });
  return choices;
}
