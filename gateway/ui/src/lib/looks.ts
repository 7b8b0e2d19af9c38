// Which shape and tone stand for a severity, a trust state, a freshness, a kind of device. Shape, word and colour
// always come together; this is the shape and the colour.

import type { Device, DeviceKind, Freshness, Severity, Trust } from '../api/types';
import type { IconName } from './icon-names';

interface Look {
  icon: IconName;
  tone: string;
}

export const SEVERITIES: readonly Severity[] = ['critical', 'high', 'medium', 'low', 'info'];

export const severityLook: Record<Severity, Look> = {
  critical: { icon: 'sev-critical', tone: 'tone-critical' },
  high: { icon: 'sev-high', tone: 'tone-high' },
  medium: { icon: 'sev-medium', tone: 'tone-medium' },
  low: { icon: 'sev-low', tone: 'tone-low' },
  info: { icon: 'sev-info', tone: 'tone-info' },
};

/** `quiet` states are plain text in lists; the others are badges everywhere. */
export const trustLook: Record<Trust, Look & { quiet: boolean }> = {
  trusted: { icon: 'shield-check', tone: 'tone-ok', quiet: true },
  fenced: { icon: 'shield-half', tone: 'tone-accent', quiet: true },
  'awaiting-approval': { icon: 'shield-question-mark', tone: 'tone-medium', quiet: false },
  'identity-changed': { icon: 'shield-alert', tone: 'tone-high', quiet: false },
  quarantined: { icon: 'shield-ban', tone: 'tone-ink', quiet: false },
  revoked: { icon: 'shield-off', tone: 'tone-info', quiet: false },
};

export const freshnessLook: Record<Freshness, Look> = {
  live: { icon: 'f-live', tone: 'live' },
  late: { icon: 'f-late', tone: 'tone-medium' },
  stale: { icon: 'f-stale', tone: 'tone-high' },
  offline: { icon: 'f-offline', tone: 'tone-info' },
  never: { icon: 'f-never', tone: 'tone-info' },
};

const KIND_ICONS: Record<DeviceKind, IconName> = {
  client: 'activity',
  sensor: 'gauge',
  camera: 'cctv',
  agent: 'cpu',
  box: 'server',
  unknown: 'circle-question-mark',
};

const METRIC_ICONS: [RegExp, IconName][] = [
  [/door|contact|reed/i, 'door-closed'],
  [/nh3|gas|co2|ppm|smoke|wind|flow/i, 'wind'],
  [/temp/i, 'thermometer'],
  [/humid|moist|leak|water/i, 'droplet'],
];

export function deviceIcon(device: Device): IconName {
  if (device.kind === 'camera' || device.kind === 'agent' || device.kind === 'box') return KIND_ICONS[device.kind];
  for (const { metric, value } of device.latest) {
    const known = METRIC_ICONS.find(([pattern]) => pattern.test(metric))?.[1];
    if (known === 'thermometer' && typeof value === 'number' && value < 8) return 'thermometer-snowflake';
    if (known) return known;
  }
  return KIND_ICONS[device.kind];
}

/** Its word counts for the verdict. */
export function isReliedOn(trust: Trust): boolean {
  return trust === 'trusted' || trust === 'fenced';
}

/** Cut off by the box or a person: its old values say nothing about now. */
export function isCutOff(trust: Trust): boolean {
  return trust === 'quarantined' || trust === 'identity-changed' || trust === 'revoked';
}
