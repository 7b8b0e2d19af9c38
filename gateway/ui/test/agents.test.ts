import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeCharacters, codeGroups, linkQuality } from '../src/lib/agents';
import { qrPicture } from '../src/lib/qr';

test('a code is the same typed, spaced and scanned', () => {
  for (const text of ['7KQ2M-9XA4B-CDEFG-01234', '7kq2m 9xa4b cdefg 01234', 'SITEWARDEN:1:7KQ2M-9XA4B-CDEFG-01234']) {
    assert.equal(codeCharacters(text), '7KQ2M9XA4BCDEFG01234', text);
  }
  assert.deepEqual(codeGroups('7KQ2M9XA4BCDEFG01234'), ['7KQ2M', '9XA4B', 'CDEFG', '01234']);
  assert.deepEqual(codeGroups(''), []);
});

test('quality is the share of whole frames, and nothing before the first', () => {
  assert.equal(linkQuality(0, {}), null);
  assert.deepEqual(linkQuality(100, {}), { quality: 'good', percent: 100, all: 100 });
  assert.equal(linkQuality(95, { checksum: 4, replayed: 1 })?.quality, 'weak');
  assert.equal(linkQuality(0, { checksum: 3 })?.quality, 'bad');
});

test('only the path of a QR code is taken, never its markup', () => {
  const svg = '<?xml version="1.0"?><svg viewBox="0 0 240 240"><rect fill="#fff"/><path fill="#000" d="M16 16h8v8h-8M32 16h8v8h-8"/></svg>';
  assert.deepEqual(qrPicture(svg), { width: 240, height: 240, path: 'M16 16h8v8h-8M32 16h8v8h-8' });
  for (const text of ['', '<svg viewBox="0 0 240 240"><script>alert(1)</script></svg>', '<svg viewBox="0 0 9 9"><path d="url(javascript:1)"/></svg>', '<path d="M1 1"/>']) {
    assert.equal(qrPicture(text), null, text);
  }
});
