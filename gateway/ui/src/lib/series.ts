// Turns readings into a line that keeps its gaps: where the device was silent for more than five of its
// intervals there is a hole in the line, never a bridge. Pure.

import type { ReadingRow } from '../api/types';
import { STALE_AFTER_INTERVALS } from './freshness';
import { parse } from './time';

export interface Gap {
  from: number;
  to: number;
}

export interface Series {
  /** Seconds since 1970, ascending. */
  times: number[];
  values: (number | null)[];
  gaps: Gap[];
  min: number | null;
  max: number | null;
  last: number | null;
}

/** The usual distance between readings: the device's own interval, else the median of what is there. */
export function usualStep(times: number[], interval: number | null | undefined): number {
  if (interval && interval > 0) return interval;
  const steps = times
    .slice(1)
    .map((time, index) => time - (times[index] ?? time))
    .filter((step) => step > 0)
    .sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 2)] ?? 60;
}

export function series(rows: ReadingRow[], interval: number | null | undefined): Series {
  const points = rows
    .map((row) => ({ time: (parse(row.time) ?? Number.NaN) / 1000, value: Number(row.value) }))
    .filter((point) => Number.isFinite(point.time) && Number.isFinite(point.value))
    .sort((a, b) => a.time - b.time);
  const step = usualStep(
    points.map((point) => point.time),
    interval,
  );
  const result: Series = { times: [], values: [], gaps: [], min: null, max: null, last: null };
  let before: number | null = null;
  for (const { time, value } of points) {
    if (before !== null && time - before > step * STALE_AFTER_INTERVALS) {
      result.gaps.push({ from: before, to: time });
      result.times.push(before + (time - before) / 2);
      result.values.push(null);
    }
    if (before === time) continue;
    result.times.push(time);
    result.values.push(value);
    result.min = result.min === null ? value : Math.min(result.min, value);
    result.max = result.max === null ? value : Math.max(result.max, value);
    result.last = value;
    before = time;
  }
  return result;
}
