// The part of one group's history that is loaded: a window of rows without gaps, bounded, oldest first. It grows at
// one end and gives way at the other. What arrives goes to its end at once; where it may belong further up, the window
// is read again from the peer, which alone knows the order.

import { api } from "./api.js";
import { coalesced } from "./dom.js";

export const PAGE = 80;
export const ROWS_MAX = 320;
/** Between two readings of the window, so that a catch-up of thousands does not read it for each. */
const REREAD_AFTER_MS = 200;
/** Causal order may show an entry so much after its author's clock; beyond that, a later clock stands below. */
const CLOCK_STEPS_MS = 1000;

export class Timeline {
  /** `onChange` is called after every change of `rows`. */
  constructor(group, onChange) {
    this.group = group;
    this.rows = [];
    this.atStart = false;
    this.atEnd = false;
    this.ids = new Set();
    this.closed = false;
    this.busy = false;
    /** What came while an answer was on its way, which may be too old to hold it. */
    this.missed = [];
    /** By id, on how many peers own messages are: rows come in pages and by the stream, and either may know less. */
    this.storedOn = new Map();
    /** The reader is at the end: what is above may go. Else it stays, and the window lets go of the end. */
    this.pinned = true;
    this.onChange = onChange;
    /** What fails for want of the peer is done again when it is back. */
    this.refresh = coalesced(() => this.reread().catch(() => {}));
  }

  close() {
    this.closed = true;
  }

  /** Replaces the window: by the newest page, or by what surrounds `around`. */
  async open(around = null) {
    await this.exclusively(async () => {
      const answer = await api.history(this.group, around ? { around } : {}, PAGE);
      this.set(answer.entries, !answer.more_before, !answer.more_after);
    });
  }

  /** From the very first entry; `genesis` is the group's id. */
  async openStart(genesis) {
    await this.exclusively(async () => {
      const answer = await api.history(this.group, { after: genesis }, PAGE);
      this.set(answer.entries, true, !answer.more_after);
    });
  }

  async older() {
    if (this.atStart || this.busy || this.rows.length === 0) return;
    await this.exclusively(async () => {
      const answer = await api.history(this.group, { before: this.rows[0].id }, PAGE);
      const rows = [...answer.entries, ...this.rows];
      this.set(rows.slice(0, ROWS_MAX), !answer.more_before, this.atEnd && rows.length <= ROWS_MAX);
    });
  }

  async newer() {
    if (this.atEnd || this.busy || this.rows.length === 0) return;
    await this.exclusively(async () => {
      const answer = await api.history(this.group, { after: this.rows.at(-1).id }, PAGE);
      const rows = [...this.rows, ...answer.entries];
      const start = Math.max(0, rows.length - ROWS_MAX);
      this.set(rows.slice(start), this.atStart && start === 0, !answer.more_after);
    });
  }

  /** An entry that has arrived. */
  arrived(row) {
    if (this.ids.has(row.id)) this.update(row.id, row);
    else if (row.late) this.refresh();
    else if (this.busy) this.missed.push(row);
    else if (this.atEnd) this.append([row]);
  }

  append(added) {
    const latest = this.rows.reduce((most, row) => Math.max(most, Date.parse(row.at)), 0);
    if (added.some((row) => Date.parse(row.at) < latest + CLOCK_STEPS_MS)) this.refresh();
    const rows = [...this.rows, ...added];
    if (rows.length <= ROWS_MAX) return this.set(rows, this.atStart, true);
    if (this.pinned) return this.set(rows.slice(-ROWS_MAX), false, true);
    this.atEnd = false;
    this.onChange();
  }

  update(id, fields) {
    const place = this.rows.findIndex((row) => row.id === id);
    if (place < 0) return;
    this.rows = this.rows.with(place, this.told({ ...this.rows[place], ...fields }));
    this.onChange();
  }

  /** An own message is known to be on so many peers. */
  delivered(id, storedOn) {
    if (this.storedOn.size >= 2 * ROWS_MAX) for (const old of this.storedOn.keys()) if (!this.ids.has(old)) this.storedOn.delete(old);
    this.storedOn.set(id, Math.max(storedOn, this.storedOn.get(id) ?? 0));
    this.update(id, {});
  }

  told(row) {
    const storedOn = this.storedOn.get(row.id);
    return storedOn > (row.stored_on ?? 0) ? { ...row, stored_on: storedOn } : row;
  }

  /** Reads the window again from its first row on. */
  async reread() {
    await new Promise((resolve) => setTimeout(resolve, REREAD_AFTER_MS));
    if (this.closed) return undefined;
    if (this.rows.length === 0) return this.open();
    return this.exclusively(async () => {
      // A row may have come in above the first one only where the window does not begin with the group.
      const first = this.rows[0];
      const limit = Math.min(ROWS_MAX + PAGE, Math.max(PAGE, this.rows.length + PAGE));
      const answer = await api.history(this.group, { after: first.id }, limit);
      let rows = [first, ...answer.entries];
      let atStart = this.atStart;
      if (atStart) {
        const above = await api.history(this.group, { before: first.id }, PAGE);
        rows = [...above.entries, ...rows];
        atStart = !above.more_before;
      }
      if (this.pinned && answer.more_after) {
        const newest = await api.history(this.group, {}, PAGE);
        return this.set(newest.entries, !newest.more_before, true);
      }
      const start = this.pinned ? Math.max(0, rows.length - ROWS_MAX) : 0;
      const end = start + ROWS_MAX;
      return this.set(rows.slice(start, end), atStart && start === 0, !answer.more_after && end >= rows.length);
    });
  }

  /** One reader at a time; the others wait. */
  async exclusively(task) {
    while (this.busy) await this.busy;
    if (this.closed) return;
    let done;
    this.busy = new Promise((resolve) => (done = resolve));
    try {
      await task();
    } finally {
      this.busy = false;
      const missed = this.missed.filter((row) => !this.ids.has(row.id));
      this.missed = [];
      if (missed.length && this.atEnd && !this.closed) this.append(missed);
      done();
    }
  }

  set(rows, atStart, atEnd) {
    if (this.closed) return;
    const seen = new Set();
    this.rows = rows.filter((row) => !seen.has(row.id) && seen.add(row.id)).map((row) => this.told(row));
    this.ids = seen;
    this.atStart = atStart;
    this.atEnd = atEnd;
    this.onChange();
  }
}
