// The box's clock as this page knows it: its own clock plus the difference that the last answer showed.
// Ticks once a second; every age and every freshness on the page follows it.

/** Differences below this come from the way of the answer, not from the clocks. */
const TOLERATED_MS = 2_000;

class Clock {
  #offset = 0;
  now = $state(Date.now());

  constructor() {
    setInterval(() => this.tick(), 1_000);
  }

  /** The box's time at this very moment; `now` is the one that the page shows. */
  boxTime(): number {
    return Date.now() + this.#offset;
  }

  tick(): void {
    this.now = this.boxTime();
  }

  /** The box said its time. */
  learn(boxTime: number): void {
    const difference = boxTime - Date.now();
    this.#offset = Math.abs(difference) < TOLERATED_MS ? 0 : difference;
    this.tick();
  }
}

export const clock = new Clock();

export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
