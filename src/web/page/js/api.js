// The local peer's API.

/** The peer did not answer: whether it did what was asked is not known. */
export class Unreachable extends Error {}

/** The peer refused the request, and changed nothing. */
export class Refused extends Error {
  constructor(status, error) {
    super(error?.message ?? `the peer answered with ${status}`);
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
    // The peer is stopping or its disk is full: the same request may succeed later.
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
  /** `page` has one of `before`, `after` and `around`, each with the id of an entry; without any, the newest page. */
  history: (name, page, limit) => ask("GET", `${group(name)}/history${query({ ...page, limit })}`),
  entry: (name, id) => ask("GET", `${group(name)}/entries/${id}`),
  /** `{from, entries}`: the newest entries of a group that is being fetched, and the peer that sent them. */
  preview: (name) => ask("GET", `${group(name)}/preview`),
  /** Late rows whose arrival number is above `after`. */
  late: (name, after, limit) => ask("GET", `${group(name)}/late${query({ after, limit })}`),
  send: (name, message) => ask("POST", `${group(name)}/messages`, { messages: [message], patience_ms: 0 }),
  users: (name) => ask("GET", `/v1/users${query({ group: name })}`).then((answer) => answer.users),
  search: (text, name, signal) =>
    ask("GET", `/v1/search${query({ text, group: name, limit: 50, context: 0 })}`, undefined, signal).then((answer) => answer.hits),
};
