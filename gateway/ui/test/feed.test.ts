import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Feed, LONGEST_RETRY_MS, type FeedEvent, type Source } from '../src/lib/feed';

class FakeSource implements Source {
  readyState = 0;
  onopen: Source['onopen'] = null;
  onerror: Source['onerror'] = null;
  closed = false;
  #listeners = new Map<string, (event: MessageEvent<string>) => void>();

  addEventListener(kind: string, listener: (event: MessageEvent<string>) => void): void {
    this.#listeners.set(kind, listener);
  }
  close(): void {
    this.closed = true;
    this.readyState = 2;
  }
  open(): void {
    this.readyState = 1;
    this.onopen?.(new Event('open'));
  }
  fail(readyState: number): void {
    this.readyState = readyState;
    this.onerror?.(new Event('error'));
  }
  send(kind: string, data: string, lastEventId = ''): void {
    this.#listeners.get(kind)?.({ data, lastEventId } as MessageEvent<string>);
  }
}

function bench() {
  const sources: FakeSource[] = [];
  const events: FeedEvent[] = [];
  const states: [boolean, number, number | null][] = [];
  const timer: { waiting: { ms: number; task: () => void } | null } = { waiting: null };
  const feed = new Feed({
    connect: () => {
      const source = new FakeSource();
      sources.push(source);
      return source;
    },
    later: (ms, task) => {
      timer.waiting = { ms, task };
      return () => {
        timer.waiting = null;
      };
    },
    event: (event) => events.push(event),
    state: (open, tries, next) => states.push([open, tries, next]),
  });
  feed.start();
  const last = () => {
    const source = sources.at(-1);
    assert.ok(source);
    return source;
  };
  return { feed, sources, events, states, last, elapse: () => timer.waiting?.task(), wait: () => timer.waiting?.ms ?? null };
}

test('events carry their kind, id and data', () => {
  const { events, last } = bench();
  last().open();
  last().send('finding', '{"id":"42"}', '8814001');
  last().send('latest', 'not json');
  assert.deepEqual(events, [
    { kind: 'finding', id: '8814001', data: { id: '42' } },
    { kind: 'latest', id: '', data: null },
  ]);
});

test('while the browser retries by itself the source is kept, so that it resumes by Last-Event-ID', () => {
  const { sources, events, states, last } = bench();
  last().open();
  last().fail(0);
  assert.deepEqual(states.at(-1), [false, 1, null]);
  last().open();
  assert.equal(sources.length, 1);
  assert.equal(events.length, 0, 'nothing was missed, nothing is loaded again');
  assert.deepEqual(states.at(-1), [true, 0, null]);
});

test('when the browser gave up, a new source is made after a wait, and the pages load again', () => {
  const { sources, events, states, last, elapse } = bench();
  last().open();
  last().fail(2);
  assert.deepEqual(states.at(-1), [false, 1, 1000]);
  elapse();
  assert.equal(sources.length, 2);
  assert.equal(events.length, 0);
  last().open();
  assert.deepEqual(events.map((event) => event.kind), ['reset']);
});

test('waits grow and are bounded', () => {
  const { last, elapse, wait } = bench();
  const waits: (number | null)[] = [];
  for (let round = 0; round < 8; round += 1) {
    last().fail(2);
    waits.push(wait());
    elapse();
  }
  assert.deepEqual(waits.slice(0, 5), [1000, 2000, 4000, 8000, LONGEST_RETRY_MS]);
  assert.equal(waits.at(-1), LONGEST_RETRY_MS);
});

test('an old source that still speaks is not heard', () => {
  const { feed, sources, states } = bench();
  feed.retry();
  const before = states.length;
  sources[0]?.fail(2);
  assert.equal(states.length, before);
  assert.ok(sources[0]?.closed);
});

test('a retry by hand leaves a living source alone', () => {
  const { feed, sources, last } = bench();
  last().open();
  feed.retry();
  assert.equal(sources.length, 1);
});
