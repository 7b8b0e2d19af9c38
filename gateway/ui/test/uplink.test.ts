import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCloudAddress, uplinkShare } from '../src/lib/uplink';

test('a cloud is reached by https alone', () => {
  assert.equal(isCloudAddress(' https://central.norrvik.example/api '), true);
  for (const text of ['', 'central.norrvik.example', 'http://central.norrvik.example', 'https://', 'javascript:alert(1)']) {
    assert.equal(isCloudAddress(text), false, text);
  }
});

test('an empty log is whole, and nothing is more than all', () => {
  assert.equal(uplinkShare('0', '0'), 100);
  assert.equal(uplinkShare('25', '100'), 25);
  assert.equal(uplinkShare('120', '100'), 100);
});
