// How fresh a device's word is, measured in its own report interval and against the box's clock.
// The box says it too; this repeats it each second, so that a page that hears nothing turns stale by itself.

import type { Device, Freshness } from '../api/types';
import { parse } from './time';

export const LATE_AFTER_INTERVALS = 2;
export const STALE_AFTER_INTERVALS = 5;
/** What the box assumes of a device whose interval it has not learned yet. */
export const UNKNOWN_INTERVAL_S = 300;

type Reporting = Pick<Device, 'freshness' | 'last_seen' | 'report_interval_s'>;

/** The state now. `offline` and `never` are the box's own knowledge and stay until it says otherwise. */
export function freshness(device: Reporting, now: number): Freshness {
  const seen = parse(device.last_seen);
  if (device.freshness === 'never' || seen === null) return 'never';
  if (device.freshness === 'offline') return 'offline';
  const interval = Math.max(1, device.report_interval_s ?? UNKNOWN_INTERVAL_S);
  const intervals = (now - seen) / (interval * 1000);
  if (intervals > STALE_AFTER_INTERVALS) return 'stale';
  if (intervals > LATE_AFTER_INTERVALS) return 'late';
  return 'live';
}

/** Whether a value may be shown as current. */
export function isCurrent(state: Freshness): boolean {
  return state === 'live' || state === 'late';
}

const WORST_FIRST: Record<Freshness, number> = { stale: 0, offline: 1, late: 2, never: 3, live: 4 };

export function byFreshness(a: Freshness, b: Freshness): number {
  return WORST_FIRST[a] - WORST_FIRST[b];
}
