// Dialogs. They are built when they open and removed when they close, so that no secret stays in the document.

import { Refused, api } from "./api.js";
import { $, el } from "./dom.js";
import { changed, groupOf, nameOf, shortKey, state } from "./store.js";
import { inline, oneLine, plain } from "./text.js";

const TOPIC_BYTES_MAX = 512;
const NAME_BYTES_MAX = 64;

/**
 * Opens a dialog; when it closes, the focus goes back to where it was. `bare` hides the title, and `reading` makes the
 * content scrollable by keys, for dialogs without a field or button.
 */
export function open(title, content, { className = "", bare = false, reading = false } = {}) {
  for (const other of $("dialogs").querySelectorAll("dialog")) other.close();
  const back = document.activeElement;
  const id = "dialog-title";
  const dialog = el("dialog", { class: className, "aria-labelledby": id });
  const heading = el("h2", { id, class: bare ? "hidden" : undefined }, title);
  if (bare) dialog.append(heading);
  else dialog.append(el("div", { class: "dialog-bar" }, heading, el("button", { class: "quiet", type: "button", "aria-label": "Close", onclick: () => dialog.close() }, "×")));
  dialog.append(el("div", { class: "dialog-body", ...(reading ? { tabIndex: 0 } : {}) }, ...content));
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (back?.isConnected) back.focus();
  });
  $("dialogs").append(dialog);
  dialog.showModal();
  dialog.querySelector("input, textarea")?.focus();
  return dialog;
}

export const isOpen = () => $("dialogs").childElementCount > 0;

/** The message of a failed request. */
export const reason = (error) => (error instanceof Refused ? plain(error.message) : "Your peer does not answer. Try again when it is running.");

const bytes = (text) => new TextEncoder().encode(text).length;

/** A form with a button that calls `save`; the error that `save` throws is shown. */
function form(fields, button, save, extra = []) {
  const error = el("p", { class: "error", role: "alert" });
  const submit = el("button", { class: "primary", type: "submit" }, button);
  const element = el("form", { class: "dialog-body", onsubmit: async (event) => {
    event.preventDefault();
    submit.disabled = true;
    error.textContent = "";
    try {
      await save();
      element.closest("dialog")?.close();
    } catch (problem) {
      error.textContent = problem instanceof Error && problem.local ? problem.message : reason(problem);
      submit.disabled = false;
    }
  } }, ...fields, error, el("div", { class: "actions" }, ...extra, submit));
  element.style.setProperty("padding", "0");
  return element;
}

function tooLong(what, text, max) {
  const length = bytes(text);
  if (length <= max) return;
  const error = new Error(`The ${what} is ${length} bytes long; up to ${max} are allowed.`);
  error.local = true;
  throw error;
}

export function editName() {
  const input = el("input", { value: state.name ?? "", autocomplete: "off", maxLength: NAME_BYTES_MAX });
  const save = async () => {
    tooLong("name", input.value, NAME_BYTES_MAX);
    await api.setName(input.value.trim());
    state.name = input.value.trim();
    changed("name");
  };
  const key = el("p", { class: "muted" }, "Others may have the same name. Your key is unique and signs everything that you write: ", el("code", {}, state.me?.peer ?? ""));
  open("You", [form([el("label", {}, "What others call you", input), key], "Save", save)]);
  input.select();
}

export function editTopic(name) {
  const group = groupOf(name);
  const input = el("textarea", { rows: 3, value: group?.topic ?? "", dir: "auto" });
  const save = async () => {
    const topic = input.value.replace(/\s*\n\s*/g, " ").trim();
    tooLong("topic", topic, TOPIC_BYTES_MAX);
    await api.setTopic(name, topic);
  };
  const leave = el("button", { class: "danger", type: "button", onclick: () => confirmLeave(name) }, "Leave the group");
  open(`About ${name}`, [form([el("label", {}, "Topic, for everybody in the group", input), el("p", { class: "muted" }, `${(group?.entries ?? 0).toLocaleString()} entries are kept here.`)], "Save", save, [leave])]);
}

export function confirmLeave(name) {
  const save = () => api.leave(name);
  open(`Leave ${name}?`, [form([el("p", {}, "You will no longer get its messages. Those that you have stay on your disk, and you can join again at any time.")], "Leave", save)]);
}

/** The ticket contains the secret of the mesh, so it is fetched and shown only after a click. */
export function invite() {
  const place = el("div", { class: "dialog-body" });
  place.style.setProperty("padding", "0");
  const show = el("button", { class: "primary", type: "button" }, "Show the ticket");
  const error = el("p", { class: "error", role: "alert" });
  show.addEventListener("click", async () => {
    error.textContent = "";
    try {
      const { ticket } = await api.invite();
      const text = el("textarea", { class: "ticket", readOnly: true, value: ticket, "aria-label": "Ticket", spellcheck: false });
      const copied = el("span", { role: "status", class: "muted" });
      const copy = el("button", { class: "primary", type: "button" }, "Copy");
      copy.addEventListener("click", async () => {
        text.select();
        try {
          await navigator.clipboard.writeText(ticket);
          copied.textContent = "Copied.";
        } catch {
          copied.textContent = "Selected; copy it with the keyboard.";
        }
      });
      const qr = el("img", { class: "qr", src: "/v1/invite/qr", alt: "The ticket as a QR code" });
      const how = el("p", { class: "muted" }, "On the other machine: ", el("code", {}, "peer serve --join TICKET"));
      place.replaceChildren(text, el("div", { class: "actions" }, copied, copy), how, qr);
      text.select();
    } catch (problem) {
      error.textContent = reason(problem);
    }
  });
  place.append(el("p", {}, "Anyone who has the ticket can enter this mesh and read its groups. Show it only when nobody else can see your screen, and send it only to people you invite."), error, el("div", { class: "actions" }, show));
  open("Invite somebody", [place]);
}

export function showFacts(rows) {
  const list = el("dl", { class: "facts" });
  for (const [name, value] of rows) list.append(el("dt", {}, name), el("dd", {}, el("bdi", {}, value)));
  open("This message", [list], { reading: true });
}

const KEYS = [
  ["Ctrl K", "Go to, find, join or create a group"],
  ["Alt ↑ / Alt ↓", "The group above, below"],
  ["Alt A", "The next group with something unread"],
  ["/ or Ctrl Shift F", "Search"],
  ["Alt M", "Members"],
  ["Alt T", "Topic"],
  ["Enter / Shift Enter", "Send; start a new line"],
  ["Tab", "Complete a name after @"],
  ["↑ in an empty message", "Go to the history"],
  ["↑ ↓ or k j", "The message above, below"],
  ["R or Enter, D", "Reply to the message, show its details"],
  ["Page Up / Page Down", "Scroll the history"],
  ["Home / End", "The first, the newest message"],
  ["Alt L", "The next late message"],
  ["Esc", "Close, cancel the reply, go to the newest message and write"],
  ["?", "This list"],
];

export function help() {
  const list = el("dl", { class: "keys" });
  for (const [key, what] of KEYS) list.append(el("dt", {}, el("kbd", {}, key)), el("dd", {}, what));
  const words = el("p", { class: "muted" }, "○ kept here: stored on your own peer; no other is known to have it. ● on n peers: others have it too. “Arrived late”: the message arrived after messages that are shown below it.");
  open("Keys", [list, words], { reading: true });
}

export async function mesh() {
  const body = el("div", { class: "dialog-body", "aria-live": "polite" }, el("p", { class: "muted" }, "Asking your peer…"));
  body.style.setProperty("padding", "0");
  open("The mesh, as seen from here", [body], { reading: true });
  try {
    const status = await api.status();
    body.replaceChildren(...meshFacts(status));
  } catch (error) {
    body.replaceChildren(el("p", { class: "error" }, reason(error)));
  }
}

function meshFacts(status) {
  const table = el("table", { class: "links" }, el("thead", {}, el("tr", {}, ...["Linked peer", "Round trip", "Clock", "They lack"].map((title) => el("th", { scope: "col" }, title)))));
  const rows = status.links.map((link) => {
    const lacks = link.behind.map((behind) => `${behind.group}: ${behind.entries ?? "?"}${behind.unknown_heads ? ", ahead of us" : ""}`);
    const name = el("td", { title: link.peer }, el("bdi", {}, inline(nameOf(link.peer, link.name))), ` ${shortKey(link.peer)}`);
    const cell = (text) => el("td", {}, text);
    const skew = link.skew_ms === null ? "–" : Math.abs(link.skew_ms) < 1000 ? "agrees" : `${(link.skew_ms / 1000).toFixed(0)} s off`;
    return el("tr", {}, name, cell(link.rtt_ms === null ? "–" : `${link.rtt_ms.toFixed(1)} ms`), cell(skew), cell(lacks.join("; ") || "nothing"));
  });
  table.append(el("tbody", {}, ...rows));
  const none = el("p", {}, "No other peer is linked now. What you write is stored on your peer, which sends it when others can be reached.");
  const away = status.unreachable.map((peer) => el("li", {}, oneLine(`${peer.peer ? nameOf(peer.peer) : peer.address}: ${peer.reason}`)));
  const flagged = status.flagged.map((peer) => el("li", {}, oneLine(`${nameOf(peer.peer, peer.name)} (${shortKey(peer.peer)}): ${peer.reason}`)));
  return [
    rows.length ? table : none,
    ...(away.length ? [el("h3", {}, "Not reached"), el("ul", {}, ...away)] : []),
    ...(flagged.length ? [el("h3", {}, "Flagged"), el("ul", {}, ...flagged)] : []),
    el("p", { class: "muted" }, `On disk: ${(status.disk_bytes / 1048576).toFixed(1)} MiB. Mesh ${status.mesh.slice(0, 8)}.`),
  ];
}
