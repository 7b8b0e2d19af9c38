import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noteParts } from '../src/lib/checkpoint';

const ROOT = 'mkHAfltBLxGI40wdeppgtv+yxOjWofBTeczCHkuI1w8=';

test('a checkpoint is origin, size and root before its signatures', () => {
  const note = `sitewarden/3f1c\n8813283\n${ROOT}\n\n— sitewarden/3f1c bm90IGEgc2lnbmF0dXJl\n`;
  assert.deepEqual(noteParts(note), { origin: 'sitewarden/3f1c', size: '8813283', root: ROOT });
});

test('what is no checkpoint is told so', () => {
  for (const note of ['', 'a\nb\nc', `a\n-1\n${ROOT}`, 'a\n1\nshort=']) assert.equal(noteParts(note), null, note);
});
