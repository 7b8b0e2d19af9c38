// The address bar as state: path and query, moves within the site without loading the page again.

import { match, type Route } from './router';

class Place {
  path = $state(window.location.pathname);
  search = $state(window.location.search);
  readonly route: Route = $derived(match(this.path));
  readonly query: URLSearchParams = $derived(new URLSearchParams(this.search));

  constructor() {
    window.addEventListener('popstate', () => this.#read());
    document.addEventListener('click', (event) => this.#follow(event));
  }

  go(address: string, options: { replace?: boolean; keepScroll?: boolean } = {}): void {
    if (options.replace) history.replaceState(null, '', address);
    else history.pushState(null, '', address);
    this.#read();
    if (!options.keepScroll) window.scrollTo(0, 0);
  }

  /** Changes some query values and keeps the rest; null takes one out. */
  setQuery(values: Record<string, string | null>, replace = true): void {
    const query = new URLSearchParams(this.search);
    for (const [key, value] of Object.entries(values)) {
      if (value) query.set(key, value);
      else query.delete(key);
    }
    const text = query.toString();
    this.go(`${this.path}${text ? `?${text}` : ''}`, { replace, keepScroll: true });
  }

  #read(): void {
    this.path = window.location.pathname;
    this.search = window.location.search;
  }

  #follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!link || link.target || link.hasAttribute('download') || link.origin !== window.location.origin) return;
    if (link.getAttribute('href')?.startsWith('#')) return;
    if (match(link.pathname).page === 'not-found') return; // the box's own files: ca.pem, openapi.json
    event.preventDefault();
    this.go(link.pathname + link.search);
  }
}

export const place = new Place();
