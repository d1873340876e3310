// The local peer's API. A request that could not be made is `Unreachable`: nobody knows what became of it.
// One that was refused is `Refused`: nothing changed.

export class Unreachable extends Error {}

export class Refused extends Error {
  constructor(status, error) {
    super(error?.message ?? `the peer answers with ${status}`);
    this.status = status;
    this.code = error?.code ?? "unknown";
  }
}

const ANSWER_MS_MAX = 20_000;

async function ask(method, path, body, signal) {
  const request = { method, headers: {}, credentials: "same-origin", cache: "no-store", redirect: "error" };
  if (body !== undefined) {
    request.headers["Content-Type"] = "application/json";
    request.body = JSON.stringify(body);
  }
  const timeout = AbortSignal.timeout(ANSWER_MS_MAX);
  request.signal = signal ? AbortSignal.any([signal, timeout]) : timeout;
  let response;
  let answer = null;
  try {
    response = await fetch(path, request);
    const text = await response.text();
    if (text) answer = JSON.parse(text);
  } catch (error) {
    if (signal?.aborted) throw error;
    if (!(error instanceof SyntaxError)) throw new Unreachable("the local peer does not answer");
  }
  if (!response.ok) {
    // A peer that stops, or whose disk is full, may take it later.
    if (response.status === 503) throw new Unreachable(answer?.error?.message ?? "the local peer is stopping");
    throw new Refused(response.status, answer?.error);
  }
  return answer;
}

const query = (values) => {
  const present = Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
  return present.length ? `?${new URLSearchParams(present)}` : "";
};
const group = (name) => `/v1/groups/${encodeURIComponent(name)}`;

export const api = {
  login: (code) => ask("POST", "/v1/session", { code }),
  hello: () => ask("GET", "/v1"),
  status: () => ask("GET", "/v1/status"),
  invite: () => ask("GET", "/v1/invite"),
  setName: (name) => ask("PUT", "/v1/name", { name }),
  groups: () => ask("GET", "/v1/groups").then((answer) => answer.groups),
  create: (name) => ask("POST", "/v1/groups", { name }),
  join: (name) => ask("POST", `${group(name)}/join`),
  leave: (name) => ask("POST", `${group(name)}/leave`),
  setTopic: (name, topic) => ask("PUT", `${group(name)}/topic`, { topic }),
  setRead: (name, arrival) => ask("PUT", `${group(name)}/read`, { arrival }),
  /** `page` has one of `before`, `after`, `around`, or none for the newest. */
  history: (name, page, limit) => ask("GET", `${group(name)}/history${query({ ...page, limit })}`),
  entry: (name, id) => ask("GET", `${group(name)}/entries/${id}`),
  /** `{from, entries}`: the newest entries, as a peer sent them ahead of the rest. */
  preview: (name) => ask("GET", `${group(name)}/preview`),
  /** Late rows that arrived after `after`. */
  late: (name, after, limit) => ask("GET", `${group(name)}/late${query({ after, limit })}`),
  send: (name, message) => ask("POST", `${group(name)}/messages`, { messages: [message], patience_ms: 0 }),
  users: (name) => ask("GET", `/v1/users${query({ group: name })}`).then((answer) => answer.users),
  search: (text, name, signal) =>
    ask("GET", `/v1/search${query({ text, group: name, limit: 50, context: 0 })}`, undefined, signal).then((answer) => answer.hits),
};
