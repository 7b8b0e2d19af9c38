// Codes and links of agents in figures and words. Pure.

export const CODE_LENGTH = 20;
const GROUP = 5;

/** What counts of a typed or scanned code: letters and digits, without the scheme of a QR text. */
export function codeCharacters(text: string): string {
  return text.replace(/^\s*SITEWARDEN:\d+:/i, '').replace(/[^0-9a-z]/gi, '').toUpperCase();
}

/** A code in its groups of five. */
export function codeGroups(code: string): string[] {
  return codeCharacters(code).match(new RegExp(`.{1,${GROUP}}`, 'g')) ?? [];
}

export type Quality = 'good' | 'weak' | 'bad';

export interface LinkQuality {
  quality: Quality;
  /** Of all frames, from 0 to 100. */
  percent: number;
  all: number;
}

/** Share of frames that arrived whole; null before the first. Below 99 % a cable is worth a look, below 90 % it is at fault. */
export function linkQuality(ok: number, dropped: Record<string, number>): LinkQuality | null {
  const all = ok + Object.values(dropped).reduce((sum, count) => sum + count, 0);
  if (all === 0) return null;
  const percent = (ok / all) * 100;
  return { quality: percent >= 99 ? 'good' : percent >= 90 ? 'weak' : 'bad', percent, all };
}
