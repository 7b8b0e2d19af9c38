import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Device, Evidence } from '../src/api/types';
import { cellRole, columns, limitOf, lineRoles } from '../src/lib/evidence';
import { freshness } from '../src/lib/freshness';
import { keepPlaces, worstFirst } from '../src/lib/order';
import { can, who } from '../src/lib/roles';
import { series } from '../src/lib/series';
import { headline, judge, VERDICT_HOLDS_MS } from '../src/lib/verdict';

const now = Date.parse('2026-11-24T13:32:08Z');
const ago = (seconds: number) => new Date(now - seconds * 1000).toISOString();
const reporting = (seconds: number, state: Device['freshness'] = 'live', interval: number | null = 10) => ({
  freshness: state,
  last_seen: ago(seconds),
  report_interval_s: interval,
});

test('freshness goes by the interval of the device and by the clock', () => {
  assert.equal(freshness(reporting(20), now), 'live');
  assert.equal(freshness(reporting(21), now), 'late');
  assert.equal(freshness(reporting(50), now), 'late');
  assert.equal(freshness(reporting(51), now), 'stale');
  assert.equal(freshness(reporting(3600, 'live', 3600), now), 'live');
});

test('the box knows what is offline and what never reported', () => {
  assert.equal(freshness(reporting(1, 'offline'), now), 'offline');
  assert.equal(freshness({ freshness: 'never', last_seen: null, report_interval_s: null }, now), 'never');
  assert.equal(freshness({ freshness: 'live', last_seen: null, report_interval_s: 10 }, now), 'never');
});

test('without a learned interval five minutes are assumed', () => {
  assert.equal(freshness(reporting(600, 'live', null), now), 'live');
  assert.equal(freshness(reporting(1501, 'live', null), now), 'stale');
});

const words = {
  names: { 'all-clear': 'All clear', attention: 'Attention', 'act-now': 'Act now', 'cannot-tell': 'Cannot tell' },
  noAnswer: (since: string) => `no answer from the box since ${since}`,
} as const;

test('a verdict is its word and its sentence, said once', () => {
  assert.equal(headline('act-now', 'Freezer 2 is warm.', words.names), 'Act now: Freezer 2 is warm');
  assert.equal(headline('act-now', 'Act now: Freezer 2 is warm', words.names), 'Act now: Freezer 2 is warm');
  assert.equal(headline('all-clear', '', words.names), 'All clear');
  assert.equal(headline('all-clear', 'All clear.', words.names), 'All clear');
});

test('a verdict that the page cannot vouch for becomes "Cannot tell" and says what it was', () => {
  const overview = { verdict: 'all-clear', sentence: 'Nothing is open' } as const;
  assert.equal(judge(overview, null, now, '', words).verdict, 'all-clear');
  assert.equal(judge(overview, now - VERDICT_HOLDS_MS + 1, now, '14:31', words).verdict, 'all-clear');
  assert.deepEqual(judge(overview, now - VERDICT_HOLDS_MS, now, '14:31', words), {
    verdict: 'cannot-tell',
    headline: 'Cannot tell: no answer from the box since 14:31',
    before: 'All clear: Nothing is open',
  });
});

const device = (id: string, more: Partial<Device> = {}): Device => ({
  id, name: id, kind: 'sensor', zone: '', trust: 'trusted', via: null, model: null, first_seen: ago(9e5), last_seen: ago(1),
  freshness: 'live', report_interval_s: 10, connected: true, latest: [], open_findings: 0, demo: false, ...more,
});

test('worst first: findings by severity, then decisions, then silence, then names', () => {
  const list = [
    device('probe 10'), device('probe 9'), device('silent', { last_seen: ago(999) }),
    device('waits', { trust: 'awaiting-approval' }), device('low', { open_findings: 1, worst_severity: 'low' }),
    device('critical', { open_findings: 1, worst_severity: 'critical' }),
  ];
  assert.deepEqual(list.sort(worstFirst(now)).map((each) => each.id), ['critical', 'low', 'waits', 'silent', 'probe 9', 'probe 10']);
});

test('a place that was given out is kept, newcomers follow', () => {
  const places = new Map<string, number>();
  assert.deepEqual(keepPlaces(places, [device('b'), device('a')]).map((each) => each.id), ['b', 'a']);
  assert.deepEqual(keepPlaces(places, [device('c'), device('a'), device('b')]).map((each) => each.id), ['b', 'a', 'c']);
});

test('roles', () => {
  assert.ok(!can('viewer', 'triage') && !can('technician', 'quarantine') && can('technician', 'enrol') && can('owner', 'people'));
  assert.deepEqual(who('quarantine'), ['operator', 'owner']);
});

const reading = (seconds: number, value: number | string) => ({ time: ago(seconds), received: ago(seconds), value, unit: '', time_source: 'payload', trusted: true });

test('a silence of more than five intervals is a gap in the line and is never bridged', () => {
  const line = series([reading(10, 3), reading(80, 1), reading(70, 2), reading(0, 4)], 10);
  assert.deepEqual(line.values, [1, 2, null, 3, 4]);
  assert.equal(line.gaps.length, 1);
  assert.equal(Math.round((line.gaps[0]?.to ?? 0) - (line.gaps[0]?.from ?? 0)), 60);
  assert.deepEqual([line.min, line.max, line.last], [1, 4, 4]);
});

test('words and doubled times make no line', () => {
  assert.equal(series([reading(1, 'open')], 10).last, null);
  assert.deepEqual(series([reading(5, 1), reading(5, 1)], 10).values, [1]);
  assert.deepEqual(series([], null).times, []);
});

const evidence: Evidence = {
  reason: '', rule_source: '', window: null,
  atoms: [
    { selection: 'warm', field: 'value', test: 'gt -18', value: '-17.2', matched: true, line: 4 },
    { selection: 'warm', field: 'zone', test: "'hall'", value: 'hall', matched: true, line: 0 },
    { selection: 'not', field: 'device_id', test: "'x'", value: 'y', matched: false, line: 6 },
  ],
  events: [{ time: ago(1), fields: { unit: 'C', sensor_type: 'temperature', value: -17.2, zone: 'hall', device_id: 'y', a: 1, b: 2 } }],
};

test('evidence: lines, columns, marks, limit', () => {
  assert.deepEqual([...lineRoles(evidence.atoms)], [[4, 'matched'], [6, 'exception']]);
  assert.deepEqual(columns(evidence), ['value', 'zone', 'device_id', 'unit', 'sensor_type', 'a']);
  assert.equal(cellRole(evidence.atoms, 'value'), 'matched');
  assert.equal(cellRole(evidence.atoms, 'device_id'), 'exception');
  assert.equal(cellRole(evidence.atoms, 'unit'), null);
  assert.equal(limitOf(evidence, 'temperature'), -18);
  assert.equal(limitOf(evidence, 'humidity'), null);
});
