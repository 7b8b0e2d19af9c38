// The order of devices: worst first. Pure.

import type { Device, Severity } from '../api/types';
import { byFreshness, freshness } from './freshness';
import { isCutOff } from './looks';

const SEVERITY_RANK: Record<Severity, number> = { critical: 5, high: 4, medium: 3, low: 2, info: 1 };

export function severityRank(severity: Severity | null | undefined): number {
  return severity ? SEVERITY_RANK[severity] : 0;
}

function need(device: Device): number {
  if (device.open_findings > 0) return severityRank(device.worst_severity ?? 'medium');
  if (device.trust === 'identity-changed') return 4;
  if (device.trust === 'awaiting-approval' || isCutOff(device.trust)) return 1.5;
  return 0;
}

/** Findings first, then what is cut off or waits, then silence, then the name. */
export function worstFirst(now: number): (a: Device, b: Device) => number {
  return (a, b) =>
    need(b) - need(a) ||
    byFreshness(freshness(a, now), freshness(b, now)) ||
    a.name.localeCompare(b.name, undefined, { numeric: true });
}

/** Keeps places that were given out before, so that a tile is found by habit; newcomers follow at the end. */
export function keepPlaces(places: Map<string, number>, sorted: Device[]): Device[] {
  for (const device of sorted) if (!places.has(device.id)) places.set(device.id, places.size);
  return [...sorted].sort((a, b) => (places.get(a.id) ?? 0) - (places.get(b.id) ?? 0));
}
