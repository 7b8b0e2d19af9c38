// The live feed: one EventSource, its loss and its return. No DOM and no clock of its own, so that tests drive it.
// While the browser retries by itself it sends Last-Event-ID and nothing is missed. When it has given up, a new
// source cannot send that id; then the feed says "reset" once it is open, and the pages load their lists again.

export type FeedKind = 'finding' | 'device' | 'audit' | 'latest' | 'reset';
export const FEED_KINDS: readonly FeedKind[] = ['finding', 'device', 'audit', 'latest', 'reset'];

export interface FeedEvent {
  kind: FeedKind;
  id: string;
  data: unknown;
}

export interface Source {
  readonly readyState: number;
  onopen: ((event: Event) => unknown) | null;
  onerror: ((event: Event) => unknown) | null;
  addEventListener(kind: string, listener: (event: MessageEvent<string>) => void): void;
  close(): void;
}

export interface FeedHost {
  connect: () => Source;
  /** Runs `task` after that many milliseconds; returns how to call it off. */
  later: (ms: number, task: () => void) => () => void;
  /** Told at each event. */
  event: (event: FeedEvent) => void;
  /** Told when the feed is open and when it is not. */
  state: (open: boolean, tries: number, nextTryMs: number | null) => void;
}

const CLOSED = 2;
export const FIRST_RETRY_MS = 1_000;
export const LONGEST_RETRY_MS = 15_000;

function parseData(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null; // the kind alone still says what to load again
  }
}

export class Feed {
  #host: FeedHost;
  #source: Source | null = null;
  #tries = 0;
  #missed = false;
  #cancel: (() => void) | null = null;

  constructor(host: FeedHost) {
    this.#host = host;
  }

  start(): void {
    this.stop();
    const source = this.#host.connect();
    this.#source = source;
    source.onopen = () => {
      this.#tries = 0;
      this.#host.state(true, 0, null);
      if (this.#missed) {
        this.#missed = false;
        this.#host.event({ kind: 'reset', id: '', data: null });
      }
    };
    source.onerror = () => this.#lost(source);
    for (const kind of FEED_KINDS) {
      source.addEventListener(kind, (message) => {
        this.#host.event({ kind, id: message.lastEventId, data: parseData(message.data) });
      });
    }
  }

  /** A person asked to try now. */
  retry(): void {
    if (this.#source?.readyState === 1) return;
    this.#missed = true;
    this.start();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#source?.close();
    this.#source = null;
  }

  #lost(source: Source): void {
    if (source !== this.#source) return;
    this.#tries += 1;
    if (source.readyState !== CLOSED) {
      this.#host.state(false, this.#tries, null);
      return;
    }
    this.#missed = true;
    const wait = Math.min(FIRST_RETRY_MS * 2 ** Math.min(this.#tries - 1, 10), LONGEST_RETRY_MS);
    this.#host.state(false, this.#tries, wait);
    this.#cancel?.();
    this.#cancel = this.#host.later(wait, () => this.start());
  }
}
