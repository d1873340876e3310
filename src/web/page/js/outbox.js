// Own messages until the local peer has stored them. The browser keeps each one until the peer confirms that it is on
// disk. They are sent one at a time, in order, and each has a key by which the peer recognizes one that is sent twice.

import { Refused, Unreachable, api } from "./api.js";
import { changed, kept, state } from "./store.js";

const AGAIN_MS = 2_000;

/** `{key, group, body, re, at, order, failed}`: `failed` is why the peer refused the message, or `null`. */
let waiting = [];
let sending = false;
let timer = null;
/** Ids of own entries that arrived lately. */
const arrivedIds = new Set();
/** Messages that the peer has stored, until their row is on screen. */
let sent = [];
const ARRIVED_MAX = 200;

export const waitingIn = (group) => [...sent, ...waiting].filter((message) => message.group === group);
export const waitingCount = () => waiting.length;

/** An own entry has arrived. */
export function seen(id) {
  arrivedIds.add(id);
  if (arrivedIds.size > ARRIVED_MAX) arrivedIds.delete(arrivedIds.values().next().value);
  if (!sent.some((message) => message.id === id)) return;
  sent = sent.filter((message) => message.id !== id);
  changed("outbox");
}

/** These rows are on screen: a page may contain an own message whose event came before the stream began. */
export function shown(ids) {
  if (!sent.some((message) => ids.has(message.id))) return;
  sent = sent.filter((message) => !ids.has(message.id));
  changed("outbox");
}

/** Events were missed: the history is read again, with the messages that were sent. */
export function resync() {
  sent = [];
  changed("outbox");
}

/** Takes over the messages that an earlier visit or another tab has left in the browser. */
export function restore() {
  const known = new Set(waiting.map((message) => message.key));
  waiting.push(...kept.names("outbox:").map(read).filter((message) => message && !known.has(message.key)));
  waiting.sort((one, other) => (one.order < other.order ? -1 : 1));
  changed("outbox");
  flush();
}

function read(name) {
  try {
    const message = JSON.parse(kept.get(name));
    const sound = typeof message.key === "string" && typeof message.group === "string" && typeof message.body === "string";
    return sound ? message : null;
  } catch {
    return null;
  }
}

export function send(group, body, re) {
  const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const now = Date.now();
  const last = waiting.at(-1)?.order ?? 0;
  const message = { key, group, body, re, at: new Date(now).toISOString(), order: Math.max(now, last + 0.001), failed: null };
  waiting.push(message);
  // If the browser stores nothing, the message is still in memory.
  kept.set(`outbox:${key}`, JSON.stringify(message));
  changed("outbox");
  flush();
}

export function retry(message) {
  message.failed = null;
  changed("outbox");
  flush();
}

/** Gives up a message that the peer refused. */
export function discard(message) {
  forget(message);
  changed("outbox");
}

function forget(message) {
  waiting = waiting.filter((other) => other.key !== message.key);
  kept.set(`outbox:${message.key}`, null);
}

/** Sends the messages that wait. Called whenever the peer may answer again. */
export async function flush() {
  if (sending) return;
  sending = true;
  clearTimeout(timer);
  try {
    for (;;) {
      const message = waiting.find((candidate) => !candidate.failed);
      if (!message || state.connection === "expired") return;
      const { key, body, re, at } = message;
      try {
        const answer = await api.send(message.group, { key, body, at, ...(re ? { re } : {}) });
        forget(message);
        const { id } = answer.messages[0];
        if (!arrivedIds.has(id)) sent.push({ ...message, id });
      } catch (error) {
        if (error instanceof Unreachable || !(error instanceof Refused) || [401, 507].includes(error.status) || error.status >= 500) {
          timer = setTimeout(flush, AGAIN_MS);
          return;
        }
        message.failed = error.message;
        kept.set(`outbox:${key}`, JSON.stringify(message));
      }
      changed("outbox");
    }
  } finally {
    sending = false;
    changed("outbox");
  }
}
