// Lays a finding's evidence beside its rule: which lines carried the match, which values to mark, which columns
// the events table needs. Pure; the page only draws what this returns.

import type { Evidence, EvidenceAtom, EvidenceEvent } from '../api/types';

export type LineRole = 'matched' | 'exception';

/** Lines of the rule (from 1) and what they did. A matched line wins over an exception on the same line. */
export function lineRoles(atoms: EvidenceAtom[]): Map<number, LineRole> {
  const roles = new Map<number, LineRole>();
  for (const atom of atoms) {
    if (atom.line <= 0) continue;
    if (atom.matched) roles.set(atom.line, 'matched');
    else if (!roles.has(atom.line)) roles.set(atom.line, 'exception');
  }
  return roles;
}

/** Most columns that stay readable beside each other. */
export const EVIDENCE_COLUMNS = 6;

/** Columns of the events table: fields that the rule looked at first, then the rest as they come. */
export function columns(evidence: Evidence): string[] {
  const judged = evidence.atoms.map((atom) => atom.field).filter(Boolean);
  const present = evidence.events.flatMap((event) => Object.keys(event.fields));
  const inEvents = new Set(present);
  const ordered = [...new Set([...judged.filter((field) => inEvents.has(field)), ...present])];
  return ordered.slice(0, EVIDENCE_COLUMNS);
}

export function text(value: unknown): string {
  if (value === null || value === undefined) return '—';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** How a value of an event is shown: marked when its field matched, dotted when it failed an exception. */
export function cellRole(atoms: EvidenceAtom[], field: string): LineRole | null {
  const about = atoms.filter((atom) => atom.field === field);
  if (about.some((atom) => atom.matched)) return 'matched';
  return about.length > 0 ? 'exception' : null;
}

/** A numeric limit of a metric that the rule names (`gt 8`), for the chart of that metric. */
export function limitOf(evidence: Evidence, metric: string): number | null {
  const about = (event: EvidenceEvent) => event.fields.sensor_type === metric || event.fields.metric === metric;
  if (!evidence.events.some(about)) return null;
  for (const atom of evidence.atoms) {
    const test = /^(?:gte?|lte?|>=?|<=?)\s*(-?\d+(?:\.\d+)?)$/.exec(atom.test.trim());
    if (atom.field === 'value' && test?.[1] !== undefined) return Number(test[1]);
  }
  return null;
}
