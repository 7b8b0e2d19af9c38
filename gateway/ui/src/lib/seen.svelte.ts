// Which findings were opened in this browser, so that new ones stand out. Nothing depends on it.

const KEY = 'sitewarden-seen-findings';
/** Older ones read as new again; that is harmless. */
const KEPT = 500;

class Seen {
  #ids: string[] = [];
  version = $state(0);

  constructor() {
    try {
      const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]');
      if (Array.isArray(stored)) this.#ids = stored.filter((id): id is string => typeof id === 'string');
    } catch {
      this.#ids = [];
    }
  }

  has(id: string): boolean {
    void this.version;
    return this.#ids.includes(id);
  }

  add(id: string): void {
    if (this.#ids.includes(id)) return;
    this.#ids = [...this.#ids, id].slice(-KEPT);
    this.version += 1;
    try {
      localStorage.setItem(KEY, JSON.stringify(this.#ids));
    } catch {
      // a private window: remembered as long as the page
    }
  }
}

export const seen = new Seen();
