// The stream of events from the local peer. When it breaks, it is opened again and continues after the last event.

import { Refused, api } from "./api.js";
import { changed, state } from "./store.js";

const WAIT_MS_MIN = 250;
const WAIT_MS_MAX = 5_000;
/** A connection that has neither opened nor failed by then is closed. */
const OPEN_MS_MAX = 10_000;

let cursor = null;
let wait = WAIT_MS_MIN;
let timer = null;
let socket = null;
let handle = () => {};

/** Calls `handler` with every event, in order. */
export function follow(handler) {
  handle = handler;
  connect();
  for (const wake of ["online", "focus"]) addEventListener(wake, hurry);
}

/** Connects at once instead of waiting for the next attempt. */
export function hurry() {
  if (timer === null) return;
  clearTimeout(timer);
  connect();
}

function connect() {
  timer = null;
  const url = new URL("/v1/events", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  if (cursor !== null) url.searchParams.set("after", cursor);
  const mine = new WebSocket(url);
  socket = mine;
  const tooLong = setTimeout(() => mine.close(), OPEN_MS_MAX);
  mine.addEventListener("open", () => {
    clearTimeout(tooLong);
    wait = WAIT_MS_MIN;
    become("up");
  });
  mine.addEventListener("message", (message) => {
    const event = JSON.parse(message.data);
    handle(event);
    cursor = event.cursor;
  });
  mine.addEventListener("close", async () => {
    clearTimeout(tooLong);
    if (socket !== mine) return;
    const opened = state.connection === "up";
    become((await knownHere()) ? "gone" : "expired");
    timer = setTimeout(connect, opened ? 0 : wait * (0.75 + Math.random() / 2));
    wait = opened ? WAIT_MS_MIN : Math.min(wait * 2, WAIT_MS_MAX);
  });
}

/** Whether the peer knows this browser. A WebSocket does not tell why it was refused; a request does. */
async function knownHere() {
  try {
    await api.hello();
    return true;
  } catch (error) {
    return !(error instanceof Refused && error.status === 401);
  }
}

function become(connection) {
  if (state.connection === connection) return;
  state.connection = connection;
  changed("connection");
}
