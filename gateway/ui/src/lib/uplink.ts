// How the uplink looks by its state. Pure.

import type { IconName } from './icon-names';

export type UplinkState = 'not-registered' | 'connected' | 'waiting' | 'stopped';

/** Icon and tone of a state; a word that this page does not know looks like waiting. */
export const UPLINK_LOOKS: Record<UplinkState, { icon: IconName; tone: string }> = {
  'not-registered': { icon: 'cloud-off', tone: 'quiet' },
  connected: { icon: 'ok', tone: 'ok' },
  waiting: { icon: 'cloud-off', tone: 'medium' },
  stopped: { icon: 'sev-critical', tone: 'critical' },
};

/** Share of the log that the cloud has, from 0 to 100; an empty log is all there. */
export function uplinkShare(acknowledged: string, size: string): number {
  const all = Number(size);
  return all === 0 ? 100 : Math.min(100, Math.max(0, (Number(acknowledged) / all) * 100));
}

/** Whether an address may be one of a cloud. */
export function isCloudAddress(text: string): boolean {
  try {
    const url = new URL(text.trim());
    return url.protocol === 'https:' && url.hostname !== '';
  } catch {
    return false;
  }
}
