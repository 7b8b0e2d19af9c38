// A signed checkpoint as people read it, and files that the page hands to the browser.

export interface NoteParts {
  /** Name of the log. */
  origin: string;
  size: string;
  /** Root hash, base64. */
  root: string;
}

/** The three lines of a checkpoint before its signatures; null when it is none. */
export function noteParts(note: string): NoteParts | null {
  const [origin, size, root] = note.split('\n');
  if (!origin || !size || !/^\d+$/.test(size) || !root || !/^[A-Za-z0-9+/]{43}=$/.test(root)) return null;
  return { origin, size, root };
}

/** Hands a text to the browser as a download; an address of this page's own memory, gone at once. */
export function save(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
