// The site's verdict: its word, look and sentence. The box judges; this only refuses to repeat a judgement
// that the page can no longer vouch for.

import type { Overview, Verdict } from '../api/types';
import type { IconName } from './icon-names';

export type Tone = 'critical' | 'medium' | 'ok' | 'info';

/** A verdict older than this without an answer from the box is not shown as current any more. */
export const VERDICT_HOLDS_MS = 30_000;

export interface VerdictLook {
  tone: Tone;
  icon: IconName;
}

export const LOOKS: Record<Verdict, VerdictLook> = {
  'all-clear': { tone: 'ok', icon: 'ok' },
  attention: { tone: 'medium', icon: 'sev-medium' },
  'act-now': { tone: 'critical', icon: 'sev-critical' },
  'cannot-tell': { tone: 'info', icon: 'circle-question-mark' },
};

export interface VerdictWords {
  names: Record<Verdict, string>;
  noAnswer: (since: string) => string;
}

export interface Judged {
  verdict: Verdict;
  /** Whole headline: "Act now: Freezer 2 is warm". */
  headline: string;
  /** What the box said last, when that is no longer the verdict. */
  before: string | null;
}

/** "Act now" and "Freezer 2 is warm." make "Act now: Freezer 2 is warm"; a sentence that begins so is kept. */
export function headline(verdict: Verdict, sentence: string, names: Record<Verdict, string>): string {
  const name = names[verdict];
  const text = sentence.trim().replace(/\.$/, '');
  if (!text || text.toLowerCase() === name.toLowerCase()) return name;
  if (text.toLowerCase().startsWith(name.toLowerCase())) return text;
  return `${name}: ${text}`;
}

export function judge(
  overview: Pick<Overview, 'verdict' | 'sentence'>,
  lostSince: number | null,
  now: number,
  sinceText: string,
  words: VerdictWords,
): Judged {
  const said = headline(overview.verdict, overview.sentence, words.names);
  if (lostSince === null || now - lostSince < VERDICT_HOLDS_MS) {
    return { verdict: overview.verdict, headline: said, before: null };
  }
  return {
    verdict: 'cannot-tell',
    headline: `${words.names['cannot-tell']}: ${words.noAnswer(sinceText)}`,
    before: said,
  };
}
