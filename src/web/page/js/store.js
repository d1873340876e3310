// The state that the parts of the page share. Whoever changes it calls `changed` with the name of what changed.

import { skeleton } from "./text.js";

export const state = {
  /** This peer: `{peer, mesh}` of the API's hello; `null` before. */
  me: null,
  /** My display name, or `null`. */
  name: null,
  /** "starting", "up", "gone" (the local peer does not answer) or "expired" (this browser is not signed in). */
  connection: "starting",
  groups: [],
  /** By key: the members of all groups. */
  users: new Map(),
  status: null,
  /** The name of the group on screen. */
  current: null,
};

const bus = new EventTarget();

export const on = (topics, listener) => {
  for (const topic of topics.split(" ")) bus.addEventListener(topic, listener);
};
export const changed = (topic) => bus.dispatchEvent(new Event(topic));

export const groupOf = (name) => state.groups.find((group) => group.name === name);
export const joined = () => state.groups.filter((group) => group.joined);
export const isMe = (key) => key === state.me?.peer;

let alike = new Map();

export function setUsers(users) {
  state.users = new Map(users.map((user) => [user.key, user]));
  alike = new Map();
  for (const user of users) {
    if (!user.name) continue;
    const name = skeleton(user.name);
    alike.set(name, (alike.get(name) ?? 0) + 1);
  }
  changed("users");
}

/** Whether another member has a name that looks like this one. */
export const isAmbiguous = (name) => (alike.get(skeleton(name)) ?? 0) > 1;

export const shortKey = (key) => key.slice(0, 8);

/** A member's present name, or `known`, which came with a row, or the start of the key. */
export const nameOf = (key, known) => state.users.get(key)?.name ?? known ?? shortKey(key);

/** Values that the browser keeps, apart for each peer: another one may have been served at this address. */
export const kept = {
  key: (name) => `peer:${state.me ? shortKey(state.me.peer) : "?"}:${name}`,
  get(name) {
    try {
      return localStorage.getItem(this.key(name));
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      if (value) localStorage.setItem(this.key(name), value);
      else localStorage.removeItem(this.key(name));
      return true;
    } catch {
      return false;
    }
  },
  names(prefix) {
    const start = this.key(prefix);
    try {
      return Object.keys(localStorage).filter((key) => key.startsWith(start)).map((key) => key.slice(this.key("").length));
    } catch {
      return [];
    }
  },
};
