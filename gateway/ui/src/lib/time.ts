// Times in words: "today 14:32", "yesterday 17:20", "12 Nov 09:58"; ages as "48 s", "2 h 15 min".
// Pure: `now` and the time zone are passed in, so that what is shown follows the box's clock and not the page's.

export interface TimeWords {
  locale: string;
  today: string;
  yesterday: string;
  ago: (age: string) => string;
  units: { s: string; min: string; h: string; d: string };
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Milliseconds since 1970, or null when the text is not a time. */
export function parse(text: string | null | undefined): number | null {
  if (!text) return null;
  const time = Date.parse(text);
  return Number.isNaN(time) ? null : time;
}

const formats = new Map<string, Intl.DateTimeFormat>();
function format(locale: string, zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${locale}|${zone}|${JSON.stringify(options)}`;
  let found = formats.get(key);
  if (!found) {
    found = new Intl.DateTimeFormat(locale, { timeZone: zone, hourCycle: 'h23', ...options });
    formats.set(key, found);
  }
  return found;
}

/** The calendar day in that zone as 2026-11-24. */
export function day(time: number, zone: string): string {
  return format('sv-SE', zone, { year: 'numeric', month: '2-digit', day: '2-digit' }).format(time);
}

/** 14:32, or 14:32:08 with seconds. */
export function clock(time: number, zone: string, seconds = false): string {
  return format('en-GB', zone, {
    hour: '2-digit',
    minute: '2-digit',
    ...(seconds ? { second: '2-digit' } : {}),
  }).format(time);
}

/** 12 Nov, with the year when it is not this one. */
export function date(time: number, now: number, zone: string, words: TimeWords): string {
  const sameYear = day(time, zone).slice(0, 4) === day(now, zone).slice(0, 4);
  return format(words.locale, zone, {
    day: 'numeric',
    month: 'short',
    ...(sameYear ? {} : { year: 'numeric' }),
  }).format(time);
}

/** Tue 24 Nov 14:32:08, for the top bar. */
export function full(time: number, zone: string, words: TimeWords): string {
  const text = format(words.locale, zone, { weekday: 'short', day: 'numeric', month: 'short' }).format(time);
  return `${text.replaceAll(',', '')} ${clock(time, zone, true)}`;
}

function isYesterday(time: number, now: number, zone: string): boolean {
  // Noon of today less a day: a day of 23 or 25 hours cannot skip over it.
  const noon = Date.parse(`${day(now, zone)}T12:00:00Z`);
  return day(time, zone) === new Date(noon - DAY).toISOString().slice(0, 10);
}

/** today 14:32, yesterday 17:20, then 12 Nov 09:58. */
export function moment(time: number, now: number, zone: string, words: TimeWords, seconds = false): string {
  const at = clock(time, zone, seconds);
  if (day(time, zone) === day(now, zone)) return `${words.today} ${at}`;
  if (isYesterday(time, now, zone)) return `${words.yesterday} ${at}`;
  return `${date(time, now, zone, words)} ${at}`;
}

/** 14:32 for today, else as `moment`; for "since 14:32", where "today" says nothing. */
export function since(time: number, now: number, zone: string, words: TimeWords): string {
  return day(time, zone) === day(now, zone) ? clock(time, zone) : moment(time, now, zone, words);
}

/** A length of time: 48 s, 14 min, 2 h 15 min, 3 d 4 h. Never negative: a clock a little ahead is 0 s. */
export function duration(ms: number, words: TimeWords): string {
  const { units } = words;
  const length = Math.max(0, ms);
  if (length < MINUTE) return `${Math.floor(length / SECOND)} ${units.s}`;
  if (length < HOUR) return `${Math.floor(length / MINUTE)} ${units.min}`;
  if (length < DAY) {
    const minutes = Math.floor((length % HOUR) / MINUTE);
    return `${Math.floor(length / HOUR)} ${units.h}${minutes ? ` ${minutes} ${units.min}` : ''}`;
  }
  const hours = Math.floor((length % DAY) / HOUR);
  return `${Math.floor(length / DAY)} ${units.d}${hours ? ` ${hours} ${units.h}` : ''}`;
}

/** 48 s ago. */
export function age(time: number, now: number, words: TimeWords): string {
  return words.ago(duration(now - time, words));
}
