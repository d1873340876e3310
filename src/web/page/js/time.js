// Times for people to read. They come from the author's clock, which may be wrong.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const dayAndYear = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const short = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const shortAndYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const exactly = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const ago = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const agoShort = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "narrow" });

const UNITS = [["year", 31_536_000], ["month", 2_592_000], ["week", 604_800], ["day", 86_400], ["hour", 3600], ["minute", 60]];

const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();

export const dayKey = (at) => midnight(new Date(at));

export const hour = (at) => clock.format(new Date(at));

export function dayName(at, now = new Date()) {
  const date = new Date(at);
  const days = Math.round((midnight(date) - midnight(now)) / 86_400_000);
  if (days === 0) return "Today";
  if (days === -1) return "Yesterday";
  return (date.getFullYear() === now.getFullYear() ? day : dayAndYear).format(date);
}

export function relative(at, narrow = false) {
  const seconds = (new Date(at).getTime() - Date.now()) / 1000;
  const format = narrow ? agoShort : ago;
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  if (unit === "second") return "just now";
  return format.format(Math.trunc(seconds / length), unit);
}

/** The time for today, otherwise the date, as short as possible. */
export function brief(at) {
  const date = new Date(at);
  const now = new Date();
  if (midnight(date) === midnight(now)) return clock.format(date);
  return (date.getFullYear() === now.getFullYear() ? short : shortAndYear).format(date);
}

export const exact = (at) => `${exactly.format(new Date(at))} (${relative(at)})`;
