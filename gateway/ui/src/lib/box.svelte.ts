// What the page knows of the box at any moment: the overview, whether the box answers, the live feed, latest values.
// One instance for all pages; it starts when somebody is signed in and stops when nobody is.

import { api, ApiFailure, address } from '../api';
import { observe } from '../api/client';
import type { Device, Finding, Latest, MetricValue, Overview, Severity } from '../api/types';
import { clock } from './clock.svelte';
import { Feed, type FeedEvent, type FeedKind } from './feed';
import { severityRank } from './order';
import { PAGE_LIMIT } from './pages';
import { parse } from './time';

/** How often the overview is asked for beside the feed; it is the page's heartbeat. */
export const HEARTBEAT_MS = 15_000;
/** While the box does not answer. */
const PROBE_MS = 5_000;
/** Latest values are shown at most this often, however fast they come. */
const LATEST_FLUSH_MS = 250;
/** Devices whose latest values are kept between two loads; the list itself is bounded by its page. */
const LATEST_KEPT = 2_000;

interface LatestEvent {
  device: string;
  metric: string;
  unit?: string | null;
  value: MetricValue;
  time: string;
}

/** A value and when it came here, by the box's clock: its own time may be an old one. */
interface Arrived extends LatestEvent {
  arrived: number;
}

function isLatest(data: unknown): data is LatestEvent {
  const event = data as Partial<LatestEvent> | null;
  return !!event && typeof event.device === 'string' && typeof event.metric === 'string' && typeof event.time === 'string';
}

type Listener = (event: FeedEvent) => void;

class Box {
  overview = $state.raw<Overview | null>(null);
  failure = $state.raw<ApiFailure | null>(null);
  /** Since when there was no answer; null while there is one. */
  lostSince = $state<number | null>(null);
  tries = $state(0);
  nextTryAt = $state<number | null>(null);
  feedOpen = $state(true);
  feedLostSince = $state<number | null>(null);
  /** Newest values by device and metric that came after the lists were loaded. */
  latest = $state.raw(new Map<string, Map<string, Arrived>>());
  /** The worst open severity of each asset that has open findings. */
  worst = $state.raw(new Map<string, Severity>());
  /** The one finding to look at next; null when nothing is open. */
  worstFinding = $state.raw<Finding | null>(null);

  #lastAnswer = Date.now();
  #pending: Arrived[] = [];
  #flush: ReturnType<typeof setTimeout> | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #listeners = new Map<Listener, readonly FeedKind[]>();
  #running = false;
  #feed = new Feed({
    connect: () => new EventSource(address('/api/v1/events')),
    later: (ms, task) => {
      const timer = setTimeout(task, ms);
      return () => clearTimeout(timer);
    },
    event: (event) => this.#take(event),
    state: (open) => this.#feedState(open),
  });

  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#feed.start();
    void this.refresh();
    document.addEventListener('visibilitychange', this.#wake);
  }

  stop(): void {
    this.#running = false;
    this.#feed.stop();
    if (this.#timer) clearTimeout(this.#timer);
    this.overview = null;
    this.latest = new Map();
    document.removeEventListener('visibilitychange', this.#wake);
  }

  /** Each answer and each missing answer of the API passes here. */
  contact(reached: boolean): void {
    if (reached) {
      const back = this.lostSince !== null;
      this.#lastAnswer = Date.now();
      this.lostSince = null;
      this.tries = 0;
      this.nextTryAt = null;
      if (back) {
        this.#feed.retry();
        this.#tell({ kind: 'reset', id: '', data: null });
      }
      return;
    }
    this.lostSince ??= this.#lastAnswer;
  }

  async refresh(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    try {
      const overview = await api.overview();
      const time = parse(overview.box.time);
      if (time !== null) clock.learn(time);
      // Before it is shown, so that the worst device stands first from the beginning.
      await this.#findWorst(overview);
      this.overview = overview;
      this.failure = null;
    } catch (failure) {
      if (!(failure instanceof ApiFailure)) throw failure;
      this.failure = failure;
      if (failure.unreachable) this.tries += 1;
    }
    if (!this.#running) return;
    const wait = this.lostSince === null ? HEARTBEAT_MS : PROBE_MS;
    this.nextTryAt = this.lostSince === null ? null : Date.now() + wait;
    this.#timer = setTimeout(() => void this.refresh(), wait);
  }

  tryNow(): void {
    this.#feed.retry();
    void this.refresh();
  }

  /** Calls back at each event of these kinds, and at "reset"; returns how to stop. */
  on(kinds: readonly FeedKind[], listener: Listener): () => void {
    this.#listeners.set(listener, kinds);
    return () => this.#listeners.delete(listener);
  }

  /** The device with values that arrived after it was loaded. */
  current<T extends Device>(device: T): T {
    const worst_severity = this.worst.get(device.id) ?? null;
    const arrived = this.latest.get(device.id);
    let seen = parse(device.last_seen) ?? 0;
    const newest = [...(arrived?.values() ?? [])].filter((each) => each.arrived > seen);
    if (newest.length === 0) return { ...device, worst_severity };
    const merged = new Map<string, Latest>(device.latest.map((known) => [known.metric, known]));
    for (const { metric, unit, value, time, arrived: at } of newest) {
      seen = Math.max(seen, at);
      const known = merged.get(metric);
      if (known && (parse(time) ?? 0) < (parse(known.time) ?? 0)) continue;
      merged.set(metric, { metric, unit: unit ?? known?.unit ?? '', value, time });
    }
    const reports = device.freshness === 'offline' || device.freshness === 'never';
    return {
      ...device,
      worst_severity,
      latest: [...merged.values()],
      last_seen: new Date(seen).toISOString(),
      freshness: reports ? 'live' : device.freshness,
    };
  }

  #wake = (): void => {
    if (document.visibilityState === 'visible') this.tryNow();
  };

  /** Asked only while there is something open: a quiet site costs nothing. */
  async #findWorst(overview: Overview): Promise<void> {
    const worst = new Map<string, Severity>();
    let next: Finding | null = null;
    if (Object.values(overview.open).some((count) => count > 0)) {
      const open = await api.findings({ status: 'open,acknowledged', limit: PAGE_LIMIT });
      for (const finding of open.items) {
        const { asset, severity } = finding;
        if (asset && severityRank(severity) > severityRank(worst.get(asset))) worst.set(asset, severity);
        if (severityRank(severity) > severityRank(next?.severity)) next = finding;
      }
    }
    this.worst = worst;
    this.worstFinding = next;
  }

  #feedState(open: boolean): void {
    this.feedOpen = open;
    if (open) {
      this.feedLostSince = null;
      return;
    }
    this.feedLostSince ??= Date.now();
    void this.refresh();
  }

  #take(event: FeedEvent): void {
    if (event.kind === 'latest') {
      if (!isLatest(event.data)) return;
      if (this.#pending.length < LATEST_KEPT) this.#pending.push({ ...event.data, arrived: clock.boxTime() });
      this.#flush ??= setTimeout(() => this.#show(), LATEST_FLUSH_MS);
    }
    this.#tell(event);
  }

  #show(): void {
    this.#flush = null;
    const next = new Map(this.latest);
    for (const value of this.#pending) {
      next.set(value.device, new Map(next.get(value.device)).set(value.metric, value));
    }
    this.#pending = [];
    while (next.size > LATEST_KEPT) next.delete(next.keys().next().value ?? '');
    this.latest = next;
  }

  #tell(event: FeedEvent): void {
    for (const [listener, kinds] of this.#listeners) {
      if (event.kind === 'reset' || kinds.includes(event.kind)) listener(event);
    }
  }
}

export const box = new Box();

export function watchContact(signedOut: () => void): void {
  observe({ contact: (reached) => box.contact(reached), signedOut });
}
