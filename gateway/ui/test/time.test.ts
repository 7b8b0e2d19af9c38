import assert from 'node:assert/strict';
import { test } from 'node:test';
import { age, clock, date, day, duration, full, moment, parse, since, type TimeWords } from '../src/lib/time';

const OSLO = 'Europe/Oslo';
const words: TimeWords = {
  locale: 'en-GB',
  today: 'today',
  yesterday: 'yesterday',
  ago: (text) => `${text} ago`,
  units: { s: 's', min: 'min', h: 'h', d: 'd' },
};
const now = Date.parse('2026-11-24T13:32:08Z');

test('a moment of today, of yesterday, of before', () => {
  assert.equal(moment(Date.parse('2026-11-24T13:32:08Z'), now, OSLO, words), 'today 14:32');
  assert.equal(moment(Date.parse('2026-11-23T16:20:00Z'), now, OSLO, words), 'yesterday 17:20');
  assert.equal(moment(Date.parse('2026-11-12T08:58:00Z'), now, OSLO, words), '12 Nov 09:58');
  assert.equal(moment(Date.parse('2014-02-03T10:00:00Z'), now, OSLO, words), '3 Feb 2014 11:00');
  assert.equal(moment(Date.parse('2026-11-24T11:17:04Z'), now, OSLO, words, true), 'today 12:17:04');
});

test('the day changes at midnight of the site and not of UTC', () => {
  assert.equal(day(Date.parse('2026-11-23T23:30:00Z'), OSLO), '2026-11-24');
  assert.equal(moment(Date.parse('2026-11-23T23:30:00Z'), now, OSLO, words), 'today 00:30');
  assert.equal(clock(Date.parse('2026-11-23T23:00:00Z'), OSLO), '00:00');
});

test('yesterday is found across a change of summer time', () => {
  const monday = Date.parse('2026-10-26T11:00:00Z');
  assert.equal(moment(Date.parse('2026-10-25T00:30:00Z'), monday, OSLO, words), 'yesterday 02:30');
  assert.equal(moment(Date.parse('2026-10-24T21:59:00Z'), monday, OSLO, words), '24 Oct 23:59');
});

test('"since" leaves today out', () => {
  assert.equal(since(Date.parse('2026-11-24T08:12:00Z'), now, OSLO, words), '09:12');
  assert.equal(since(Date.parse('2026-11-23T12:40:00Z'), now, OSLO, words), 'yesterday 13:40');
});

test('lengths and ages', () => {
  assert.equal(duration(48_900, words), '48 s');
  assert.equal(duration(14 * 60_000 + 59_000, words), '14 min');
  assert.equal(duration(8_100_000, words), '2 h 15 min');
  assert.equal(duration(7_200_000, words), '2 h');
  assert.equal(duration((3 * 24 + 4) * 3_600_000, words), '3 d 4 h');
  assert.equal(age(now - 48_000, now, words), '48 s ago');
});

test('a time ahead of the clock is zero and never negative', () => {
  assert.equal(age(now + 5_000, now, words), '0 s ago');
});

test('what is no time is null', () => {
  assert.equal(parse('soon'), null);
  assert.equal(parse(''), null);
  assert.equal(parse(null), null);
  assert.equal(parse('2026-11-24T13:32:08Z'), now);
});

test('top bar and dates', () => {
  assert.equal(full(now, OSLO, words), 'Tue 24 Nov 14:32:08');
  assert.equal(date(now, now, OSLO, words), '24 Nov');
});
