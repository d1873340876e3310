// The part of one group's history that is loaded: a bounded window of rows without gaps, in the order in which they
// are shown. It grows by pages at one end and drops rows at the other. A row that arrives is inserted in its place if
// that place is within the window; otherwise the page that it belongs to is read when the reader scrolls there.

import { api } from "./api.js";

const PAGE = 80;
const ROWS_MAX = 320;

/** Whether `one` is shown above `other`. Ids are lower-case hex, so their text sorts as their bytes do. */
const isAbove = (one, other) => one.eff < other.eff || (one.eff === other.eff && one.id < other.id);

export class Timeline {
  /** `onChange` is called after every change of `rows`. */
  constructor(group, onChange) {
    this.group = group;
    this.onChange = onChange;
    this.rows = [];
    this.ids = new Set();
    /** Whether the window holds the group's first row, and its newest. */
    this.atStart = false;
    this.atEnd = false;
    this.closed = false;
    /** While a page is being read: a promise that resolves afterwards. */
    this.busy = null;
    /** Rows that arrived while a page was being read, which may not contain them. */
    this.missed = [];
    /** By id, on how many peers own messages are: pages and events may each know a lower number. */
    this.storedOn = new Map();
    /** The id of the row at the top of the screen; `null` while the reader follows the newest. */
    this.viewed = null;
  }

  close() {
    this.closed = true;
  }

  /** Replaces the window by the newest page, or by the rows around the entry `around`. */
  open(around = null) {
    return this.exclusively(() => this.read(around, PAGE));
  }

  /** Replaces the window by the first page; `genesis` is the group's id. */
  openStart(genesis) {
    return this.exclusively(async () => {
      const answer = await api.history(this.group, { after: genesis }, PAGE);
      this.viewed = answer.entries[0]?.id ?? null;
      this.set(answer.entries, true, !answer.more_after);
    });
  }

  /** Reads what is on screen again, after events were missed. */
  reload() {
    return this.exclusively(() => this.read(this.viewed, this.viewed === null ? PAGE : ROWS_MAX));
  }

  async read(around, limit) {
    const answer = await api.history(this.group, around === null ? {} : { around }, limit);
    this.viewed = around;
    this.set(answer.entries, !answer.more_before, !answer.more_after);
  }

  older() {
    return this.exclusively(async () => {
      if (this.atStart || this.rows.length === 0) return;
      const answer = await api.history(this.group, { before: this.rows[0].id }, PAGE);
      this.set([...answer.entries, ...this.rows], !answer.more_before, this.atEnd, "start");
    });
  }

  newer() {
    return this.exclusively(async () => {
      if (this.atEnd || this.rows.length === 0) return;
      const answer = await api.history(this.group, { after: this.rows.at(-1).id }, PAGE);
      this.set([...this.rows, ...answer.entries], this.atStart, !answer.more_after, "end");
    });
  }

  /** An entry has arrived. */
  arrived(row) {
    if (this.busy) this.missed.push(row);
    else this.insert(row);
  }

  insert(row) {
    if (this.ids.has(row.id)) return this.update(row.id, row);
    const below = this.rows.findIndex((other) => isAbove(row, other));
    const place = below < 0 ? this.rows.length : below;
    const isInside = (place > 0 || this.atStart) && (place < this.rows.length || this.atEnd);
    if (!isInside) return;
    const viewed = this.rows.findIndex(({ id }) => id === this.viewed);
    // Of too many rows, those that are farther from the screen are dropped.
    const keep = this.viewed === null || viewed > this.rows.length / 2 ? "end" : "start";
    this.set(this.rows.toSpliced(place, 0, row), this.atStart, this.atEnd, keep);
  }

  update(id, fields) {
    const place = this.rows.findIndex((row) => row.id === id);
    if (place < 0) return;
    this.rows = this.rows.with(place, this.withStoredOn({ ...this.rows[place], ...fields }));
    this.onChange();
  }

  /** An own message is known to be on `storedOn` peers. */
  delivered(id, storedOn) {
    if (this.storedOn.size >= 2 * ROWS_MAX) for (const old of this.storedOn.keys()) if (!this.ids.has(old)) this.storedOn.delete(old);
    this.storedOn.set(id, Math.max(storedOn, this.storedOn.get(id) ?? 0));
    this.update(id, {});
  }

  withStoredOn(row) {
    const storedOn = this.storedOn.get(row.id);
    return storedOn > (row.stored_on ?? 0) ? { ...row, stored_on: storedOn } : row;
  }

  /** Runs one task at a time, then inserts the rows that arrived meanwhile. */
  async exclusively(task) {
    while (this.busy) await this.busy;
    if (this.closed) return;
    let done;
    this.busy = new Promise((resolve) => (done = resolve));
    try {
      await task();
    } finally {
      this.busy = null;
      const missed = this.missed;
      this.missed = [];
      if (!this.closed) for (const row of missed) this.insert(row);
      done();
    }
  }

  /** Of more than `ROWS_MAX` rows, keeps those at the "start" or at the "end". */
  set(all, atStart, atEnd, keep = "end") {
    if (this.closed) return;
    const surplus = Math.max(0, all.length - ROWS_MAX);
    const rows = keep === "end" ? all.slice(surplus) : all.slice(0, ROWS_MAX);
    this.rows = rows.map((row) => this.withStoredOn(row));
    this.ids = new Set(rows.map((row) => row.id));
    this.atStart = atStart && (surplus === 0 || keep === "start");
    this.atEnd = atEnd && (surplus === 0 || keep === "end");
    this.onChange();
  }
}
