import assert from 'node:assert/strict';
import { test } from 'node:test';
import { match, paths, safeReturn } from '../src/lib/router';

test('addresses and pages', () => {
  assert.deepEqual(match('/'), { page: 'overview' });
  assert.deepEqual(match('/devices/'), { page: 'devices' });
  assert.deepEqual(match('/findings'), { page: 'findings', id: null });
  assert.deepEqual(match('/findings/42'), { page: 'findings', id: '42' });
  assert.deepEqual(match('/settings'), { page: 'settings', section: 'more' });
  assert.deepEqual(match('/settings/keys'), { page: 'settings', section: 'keys' });
  assert.deepEqual(match('/sign-in'), { page: 'sign-in' });
  assert.deepEqual(match('/uplink'), { page: 'uplink' });
  assert.deepEqual(match('/enrol-agent'), { page: 'enrol-agent' });
});

test('an id with slashes, colons and spaces finds its way there and back', () => {
  for (const id of ['rtl_433:Acurite-Tower:A:8682', 'a/b c', '100 %', 'ä#?&']) {
    assert.deepEqual(match(paths.device(id)), { page: 'device', id });
  }
});

test('what is no page is told so and never thrown', () => {
  for (const path of ['/nowhere', '/devices/a/b', '/settings/none', '/%E0%A4%A', '/audit/1']) {
    assert.equal(match(path).page, 'not-found', path);
  }
});

test('after a sign-in only this site is returned to', () => {
  assert.equal(safeReturn('/devices?kind=camera'), '/devices?kind=camera');
  for (const path of [null, '', '//evil.example', '/\\evil.example', 'https://evil.example/', '/sign-in?from=/']) {
    assert.equal(safeReturn(path), '/', String(path));
  }
});
