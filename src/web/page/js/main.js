// Signs in, follows the peer's events, and shows the group that the address names.

import { Refused, api } from "./api.js";
import * as composer from "./composer.js";
import * as dialogs from "./dialogs.js";
import { $, coalesced, el } from "./dom.js";
import * as events from "./events.js";
import * as groups from "./groups.js";
import * as history from "./history.js";
import * as keys from "./keys.js";
import "./notice.js";
import * as outbox from "./outbox.js";
import * as preview from "./preview.js";
import * as side from "./side.js";
import { changed, groupOf, isMe, joined, kept, on, setUsers, state } from "./store.js";
import * as switcher from "./switcher.js";
import { inline, plain } from "./text.js";

const RETRY_MS = 1_000;
const LAST = "last-group";

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Takes the one-time code of a link out of the address. */
function takeCode() {
  const code = /^#open=([\w-]+)$/.exec(location.hash)?.[1];
  if (code) globalThis.history.replaceState(null, "", "/");
  return code;
}

async function signIn(code) {
  if (!code) return;
  try {
    await api.login(code);
  } catch (error) {
    // The link was used before; this browser may be signed in already.
    if (!(error instanceof Refused)) throw error;
  }
}

async function start() {
  const code = takeCode();
  for (;;) {
    try {
      await signIn(code);
      state.me = await api.hello();
      break;
    } catch (error) {
      state.connection = error instanceof Refused && error.status === 401 ? "expired" : "gone";
      changed("connection");
      if (state.connection === "expired") return signedOut();
      await wait(RETRY_MS);
    }
  }
  events.follow(handle);
  await refetchAll();
  outbox.restore();
  route();
}

function signedOut() {
  welcome("Not signed in", "This browser is not signed in to your peer, or not any more. On this machine, run\n\npeer open\n\nto open the page signed in.", []);
  $("open-switcher").disabled = $("open-invite").disabled = $("me").disabled = true;
  // Another tab may have signed in meanwhile.
  addEventListener("focus", () => location.reload(), { once: true });
}

// Events of the peer.

const fetchGroups = coalesced(async () => {
  try {
    state.groups = await api.groups();
  } catch {
    return;
  }
  changed("groups");
});

const fetchUsers = coalesced(async () => {
  try {
    const users = await api.users();
    const mine = users.find((user) => isMe(user.key));
    if ((mine?.name ?? null) !== state.name) {
      state.name = mine?.name ?? null;
      changed("name");
    }
    setUsers(users);
  } catch {
    // The next event or connection fetches them.
  }
});

const refetchAll = () => Promise.all([fetchGroups(), fetchUsers()]);

/** The peer counts unread messages: after arrivals, they are fetched a few times a second at most. */
let counting = null;
function countAgain() {
  counting ??= setTimeout(() => {
    counting = null;
    fetchGroups();
  }, 300);
}

function handle(event) {
  switch (event.event) {
    case "entry":
      if (isMe(event.row.author)) outbox.seen(event.row.id);
      history.arrived(event.row);
      countAgain();
      break;
    case "groups":
      fetchGroups();
      break;
    case "users":
      fetchUsers();
      break;
    case "status":
      state.mesh = { links: event.links, behind: event.behind };
      changed("mesh");
      break;
    case "delivery":
      history.delivered(event.group, event.id, event.stored_on);
      break;
    case "preview":
      preview.refresh(event.group);
      break;
    case "resync":
      refetchAll();
      outbox.resync();
      history.resync();
      break;
  }
}

on("connection", () => {
  if (state.connection !== "up") return;
  outbox.restore();
  refetchAll();
  // The first stream tells nothing of what happened before it.
  history.resync();
});

// The address: `#/group` or `#/group/entry`.

const go = (name) => {
  if (location.hash === `#/${name}`) route();
  else location.hash = `#/${name}`;
};

function route() {
  const [, name, id] = /^#\/([a-z0-9][a-z0-9_-]{0,31})(?:\/([0-9a-f]{64}))?$/.exec(location.hash) ?? [];
  const remembered = kept.get(LAST);
  if (!name && joined().length && !matchMedia("(max-width: 720px)").matches) {
    const first = groupOf(remembered)?.joined ? remembered : groups.ordered()[0].name;
    globalThis.history.replaceState(null, "", `#/${first}`);
    return route();
  }
  const group = name && groupOf(name);
  const empty = joined().length === 0;
  document.body.dataset.pane = name || empty ? "group" : "groups";
  $("back").hidden = empty;
  show(group?.joined ? group : null, name, id);
}

function show(group, name, id) {
  if (group && group.name === state.current) {
    if (id) history.jump(id).catch(trouble);
    return;
  }
  state.current = group?.name ?? null;
  changed("current");
  drawGroup();
  $("conversation").hidden = !group;
  if (!group) {
    history.close();
    return noGroup(name);
  }
  $("welcome").hidden = true;
  kept.set(LAST, group.name);
  composer.open(group.name);
  history.open(group.name, id ?? null).catch(trouble);
  if (!id && matchMedia("(pointer: fine)").matches && !dialogs.isOpen()) composer.focus();
}

function trouble(error) {
  // The notice already says if the peer does not answer.
  if (error instanceof Refused) composer.hint(plain(error.message));
}

function noGroup(name) {
  const button = (text, run, primary) => el("button", { class: primary ? "primary" : "secondary", type: "button", onclick: run }, text);
  const find = button("Find or create a group", openSwitcher, true);
  if (name && groupOf(name)) return welcome(name, "You are not in this group.", [button(`Join ${name}`, () => enter(name, api.join), true)]);
  if (name) return welcome(name, "Your peer knows no group of this name.", [button(`Create ${name}`, () => enter(name, api.create), true), find]);
  if (joined().length) return welcome("No group is open", "Choose one on the left.", [find]);
  welcome("You are in no group yet", "A group is identified by its name: everyone who creates or joins “garden” is in the same group. Its messages are stored on your disk and on that of every member.", [find, button("Invite somebody", dialogs.invite), button("Choose your name", dialogs.editName)]);
}

async function enter(name, way) {
  try {
    await way(name);
    await fetchGroups();
    route();
  } catch (error) {
    $("welcome-text").textContent = dialogs.reason(error);
  }
}

function welcome(title, text, actions) {
  $("welcome").hidden = false;
  $("conversation").hidden = true;
  $("welcome-title").textContent = title;
  $("welcome-text").textContent = text;
  $("welcome-actions").replaceChildren(...actions);
}

function drawGroup() {
  const group = groupOf(state.current);
  $("group-name").textContent = group?.name ?? "peer";
  for (const id of ["open-search", "open-people"]) $(id).hidden = !group;
  const topic = $("topic");
  topic.hidden = !group;
  if (!group) return;
  topic.title = `${group.topic ? plain(group.topic) : "No topic"} (Alt+T changes it)`;
  $("topic-text").replaceChildren(group.topic ? inline(group.topic) : "Set a topic");
}

let counted = 0;
/** A group may have been joined or left, in a dialog or elsewhere. */
on("groups", () => {
  drawGroup();
  const isIn = groupOf(state.current)?.joined ?? false;
  const named = /^#\/([a-z0-9_-]+)/.exec(location.hash)?.[1];
  if (state.current ? !isIn : groupOf(named)?.joined) route();
  else if (!state.current && !named && joined().length !== counted) route();
  counted = joined().length;
});

// Buttons and keys.

const openSwitcher = () => switcher.open(go, fetchGroups);

function switchTheme() {
  const theme = globalThis.switchTheme();
  $("theme").textContent = theme === "dark" ? "Light" : "Dark";
}

function escape() {
  if (side.isShown() !== "none" && ($("side").contains(document.activeElement) || matchMedia("(max-width: 1060px)").matches)) return side.show("none");
  if (!state.current || composer.cancelReply()) return undefined;
  composer.focus();
  return history.newest().catch(() => {});
}

const inGroup = (run) => () => state.current && run();
const toGroup = (name) => name && go(name);

$("me").addEventListener("click", dialogs.editName);
$("open-invite").addEventListener("click", dialogs.invite);
$("open-help").addEventListener("click", dialogs.help);
$("mesh").addEventListener("click", dialogs.mesh);
$("open-switcher").addEventListener("click", openSwitcher);
$("theme").addEventListener("click", switchTheme);
$("theme").textContent = document.documentElement.dataset.theme === "dark" ? "Light" : "Dark";
$("topic").addEventListener("click", () => dialogs.editTopic(state.current));
$("open-search").addEventListener("click", () => side.toggle("search"));
$("open-people").addEventListener("click", () => side.toggle("people"));
$("close-side").addEventListener("click", () => side.show("none"));
$("back").addEventListener("click", () => (location.hash = ""));
history.whenReplying(composer.reply);
history.whenLost(composer.hint);
addEventListener("hashchange", async () => {
  await signIn(takeCode()).catch(() => {});
  route();
});

keys.listen({
  switch: openSwitcher,
  search: inGroup(() => side.show("search")),
  people: inGroup(() => side.toggle("people")),
  topic: inGroup(() => dialogs.editTopic(state.current)),
  above: () => toGroup(groups.neighbour(-1)),
  below: () => toGroup(groups.neighbour(1)),
  unread: () => toGroup(groups.nextUnread()),
  late: () => $("late-pill").click(),
  help: dialogs.help,
  escape,
});

start();
