// One message at a time at the lower edge. What worked goes by itself, what failed stays until it is closed.

const SHOWN_MS = 8_000;

export interface Toast {
  text: string;
  detail: string | null;
  failed: boolean;
  undo: (() => void) | null;
}

class Toasts {
  current = $state.raw<Toast | null>(null);
  #timer: ReturnType<typeof setTimeout> | null = null;

  done(text: string, undo: (() => void) | null = null): void {
    this.#show({ text, detail: null, failed: false, undo });
    this.#timer = setTimeout(() => this.close(), SHOWN_MS);
  }

  failed(text: string, detail: string | null): void {
    this.#show({ text, detail, failed: true, undo: null });
  }

  close(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    this.current = null;
  }

  #show(toast: Toast): void {
    this.close();
    this.current = toast;
  }
}

export const toasts = new Toasts();
