// Reads a list to its end, within a bound: the box hands out lists in pages with a cursor.

import type { Page } from '../api/types';

/** As many as the box gives at once. */
export const PAGE_LIMIT = 200;
/** Lists longer than this need the filter. */
export const PAGES_MAX = 10;

export async function all<T>(read: (cursor: string | null) => Promise<Page<T>>, most = PAGES_MAX): Promise<Page<T>> {
  const items: T[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < most; page += 1) {
    const answer: Page<T> = await read(cursor);
    items.push(...answer.items);
    cursor = answer.next ?? null;
    if (!cursor) break;
  }
  return { items, next: cursor };
}
