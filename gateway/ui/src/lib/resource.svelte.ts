// One thing that is loaded from the box and kept fresh. Old data stays when a load fails; the failure stands beside it.

import { untrack } from 'svelte';
import { ApiFailure } from '../api';
import { box } from './box.svelte';
import type { FeedEvent, FeedKind } from './feed';

/** A skeleton before this would only flicker. */
const SKELETON_AFTER_MS = 300;
/** Events that come close together cause one load. */
const GATHER_MS = 400;

export class Resource<T> {
  data = $state.raw<T | null>(null);
  failure = $state.raw<ApiFailure | null>(null);
  busy = $state(false);
  slow = $state(false);
  loadedAt = $state<number | null>(null);
  #run = 0;
  #fetch: () => Promise<T>;

  constructor(fetch: () => Promise<T>) {
    this.#fetch = fetch;
  }

  reload = (): Promise<void> => this.#take(this.#fetch());

  /** Loads again because what it is asked for has changed; reads the state that `fetch` reads. */
  restart(): void {
    const answer = this.#fetch();
    untrack(() => void this.#take(answer));
  }

  async #take(answer: Promise<T>): Promise<void> {
    const run = (this.#run += 1);
    this.busy = true;
    const timer = setTimeout(() => {
      if (run === this.#run) this.slow = true;
    }, SKELETON_AFTER_MS);
    try {
      const data = await answer;
      if (run !== this.#run) return;
      this.data = data;
      this.failure = null;
      this.loadedAt = Date.now();
    } catch (failure) {
      if (!(failure instanceof ApiFailure)) throw failure;
      if (run === this.#run) this.failure = failure;
    } finally {
      clearTimeout(timer);
      if (run === this.#run) {
        this.busy = false;
        this.slow = false;
      }
    }
  }
}

export interface ResourceOptions {
  /** Kinds of events that make it load again. */
  on?: readonly FeedKind[];
  /** Only events that pass this. */
  when?: (event: FeedEvent) => boolean;
  /** Also load again every so many milliseconds. */
  every?: number;
}

/** To be called while a component starts: acts after events of these kinds, once for those that come together. */
export function follow(kinds: readonly FeedKind[], act: () => void, when?: (event: FeedEvent) => boolean): void {
  $effect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    const off = box.on(kinds, (event) => {
      if (event.kind !== 'reset' && when && !when(event)) return;
      timer ??= setTimeout(() => {
        timer = null;
        act();
      }, GATHER_MS);
    });
    return () => {
      off();
      if (timer) clearTimeout(timer);
    };
  });
}

/** To be called while a component starts: loads now, at events, and whenever the state that `fetch` reads moves. */
export function resource<T>(fetch: () => Promise<T>, options: ResourceOptions = {}): Resource<T> {
  const made = new Resource(fetch);
  $effect(() => made.restart());
  follow(options.on ?? [], () => void made.reload(), options.when);
  $effect(() => {
    const tick = options.every ? setInterval(() => void made.reload(), options.every) : null;
    return () => {
      if (tick) clearInterval(tick);
    };
  });
  return made;
}
