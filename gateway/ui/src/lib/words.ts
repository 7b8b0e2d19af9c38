// Times, values and names in the words of the page, against the box's clock. Reads the clock as state,
// so that an age on the page moves by itself.

import type { Device, Latest, MetricValue } from '../api/types';
import { common } from '../strings/common';
import { clock, zone } from './clock.svelte';
import { language } from './language';
import { measured } from './numbers';
import * as time from './time';

const words = common.time;

export function moment(text: string | null | undefined, seconds = false): string {
  const at = time.parse(text);
  return at === null ? '—' : time.moment(at, clock.now, zone, words, seconds);
}

export function since(at: number): string {
  return time.since(at, clock.now, zone, words);
}

export function sinceText(text: string | null | undefined): string {
  const at = time.parse(text);
  return at === null ? '—' : since(at);
}

export function ago(text: string | null | undefined): string {
  const at = time.parse(text);
  return at === null ? '—' : time.age(at, clock.now, words);
}

/** How long ago, without "ago": for narrow columns. */
export function ageOf(text: string | null | undefined): string {
  const at = time.parse(text);
  return at === null ? '—' : time.duration(clock.now - at, words);
}

export function clockTime(at: number, seconds = false): string {
  return time.clock(at, zone, seconds);
}

export function topBarTime(at: number): string {
  return time.full(at, zone, words);
}

export function length(ms: number): string {
  return time.duration(ms, words);
}

/** Units in UCUM spelling, and some that devices use instead, as people write them. */
const UNITS: Record<string, string> = {
  Cel: '°C',
  C: '°C',
  degC: '°C',
  '[degF]': '°F',
  F: '°F',
  deg: '°',
  '%RH': '%',
  '%{RH}': '%',
  '[ppm]': 'ppm',
  '[ppb]': 'ppb',
  'm3/h': 'm³/h',
  'W/m2': 'W/m²',
  1: '',
};

export function unit(text: string | null | undefined): string {
  return text ? (UNITS[text] ?? text) : '';
}

const SWITCH = language === 'de' ? { true: 'an', false: 'aus' } : { true: 'on', false: 'off' };

export function value(of: MetricValue): string {
  if (typeof of === 'number') return measured(of);
  if (typeof of === 'boolean') return SWITCH[`${of}`];
  return of;
}

export function withUnit(of: MetricValue, unitText: string | null | undefined): string {
  const known = unit(unitText);
  return `${value(of)}${known ? ` ${known}` : ''}`;
}

/** `supply_temperature_C` as "Supply temperature". */
export function metricName(metric: string): string {
  const plain = metric.replace(/_(C|F|pct|percent|dBm?|hPa|kPa|mV|V|W|kW)$/, '').replaceAll(/[_.]+/g, ' ').trim();
  return plain ? plain.charAt(0).toUpperCase() + plain.slice(1) : metric;
}

const SECONDARY = /battery|rssi|snr|signal|noise|heartbeat|uptime|sequence|mic$/i;

/** The value that stands for the device where there is room for one. */
export function mainValue(device: Device): Latest | null {
  return device.latest.find((latest) => !SECONDARY.test(latest.metric)) ?? device.latest[0] ?? null;
}

export function initials(name: string): string {
  const parts = name.trim().split(/\s+/);
  return ((parts[0]?.[0] ?? '') + (parts.length > 1 ? (parts.at(-1)?.[0] ?? '') : '')).toUpperCase();
}
