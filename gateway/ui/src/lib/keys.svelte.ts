// Keys of the whole page. Single keys never fire while somebody types or a dialog is open, and can be turned off.
// What is bound last wins, so that a page's list can take J and K from the frame.

import { display } from './display.svelte';
import { place } from './location.svelte';

export type Bindings = Record<string, (event: KeyboardEvent) => void>;

/** How long a G waits for its second key. */
const SEQUENCE_MS = 1_500;

const GO_TO: Record<string, string> = {
  o: '/',
  d: '/devices',
  f: '/findings',
  r: '/rules',
  p: '/policies',
  u: '/uplink',
  x: '/diagnostics',
  a: '/audit',
  s: '/settings/display',
};

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.isContentEditable);
}

class Keys {
  #stack: Bindings[] = [];
  #goUntil = 0;
  palette: () => void = () => undefined;
  help: () => void = () => undefined;

  constructor() {
    document.addEventListener('keydown', (event) => this.#press(event));
  }

  bind(bindings: Bindings): () => void {
    this.#stack.push(bindings);
    return () => {
      this.#stack = this.#stack.filter((other) => other !== bindings);
    };
  }

  #press(event: KeyboardEvent): void {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if ((event.ctrlKey || event.metaKey) && key === 'k') {
      event.preventDefault();
      this.palette();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.querySelector('dialog[open]')) return;
    if (isTyping(event.target)) {
      if (key === 'Escape' && event.target instanceof HTMLElement) event.target.blur();
      return;
    }
    if (!display.singleKeys && event.key.length === 1) return;
    if (this.#jump(key, event)) return;
    const action = this.#stack.findLast((bindings) => bindings[key])?.[key];
    if (action) {
      if (key !== 'Enter') event.preventDefault();
      action(event);
    }
  }

  #jump(key: string, event: KeyboardEvent): boolean {
    if (Date.now() < this.#goUntil) {
      this.#goUntil = 0;
      const target = GO_TO[key];
      if (!target) return false;
      event.preventDefault();
      place.go(target);
      return true;
    }
    if (key === 'g') this.#goUntil = Date.now() + SEQUENCE_MS;
    if (key === '?') {
      event.preventDefault();
      this.help();
    }
    if (key === '/') {
      const filter = document.querySelector<HTMLInputElement>('[data-filter]');
      if (filter) {
        event.preventDefault();
        filter.focus();
      }
    }
    return key === 'g' || key === '?' || key === '/';
  }
}

export const keys = new Keys();
