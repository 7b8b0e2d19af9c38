import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isTimeZone, loginFits } from '../src/lib/credentials';
import { count, measured } from '../src/lib/numbers';
import { sample } from '../src/lib/payload';
import { tokens } from '../src/lib/yaml';

const base64 = (text: string | Uint8Array) => Buffer.from(text).toString('base64');

test('numbers have thin spaces and a real minus', () => {
  assert.equal(count(18_420), '18\u202f420');
  assert.equal(count('18446744073709551615'), '18\u202f446\u202f744\u202f073\u202f709\u202f551\u202f615');
  assert.equal(count(999), '999');
  assert.equal(measured(-22.14), '\u221222.1');
  assert.equal(measured(0.034), '0.03');
  assert.equal(measured(25), '25');
  assert.equal(measured(-0.001), '0.00');
  assert.equal(measured(Number.NaN), '—');
});

test('a payload is text when it is text, else bytes, and never markup', () => {
  assert.equal(sample(base64('<script>')), '<script>');
  assert.equal(sample(base64(new Uint8Array([0, 255, 18]))), '00 ff 12');
  assert.equal(sample(base64('a'.repeat(200))), `${'a'.repeat(96)}…`);
  assert.equal(sample('not base64 !'), 'not base64 !');
});

test('a line of a rule is cut into tokens that add up to the line', () => {
  for (const line of [
    "        value|gt: -18",
    "    - attack.t0856 # spoof",
    "title: Freezer warmer than −18 °C",
    "    filter|startswith: '#'",
    '',
    'level: critical',
    '# only a comment',
    '"quoted key": x',
    '\tx: [1, 2',
  ]) {
    assert.equal(tokens(line).map((token) => token.text).join(''), line);
  }
  assert.deepEqual(tokens("a: '#b' # c").map((token) => token.kind), ['k', '', '', 's', '', 'c']);
});

test('user names and time zones', () => {
  assert.ok(loginFits('elin.lund-2'));
  assert.ok(loginFits('Elin'));
  assert.ok(!loginFits('elin lund'));
  assert.ok(!loginFits(''));
  assert.ok(isTimeZone('Europe/Oslo'));
  assert.ok(!isTimeZone('Europe/Oslow'));
  assert.ok(!isTimeZone(''));
});
