// The verdict as all pages show it now: the box's word while it answers, "Cannot tell" when it does not.

import { common } from '../strings/common';
import { overview as words } from '../strings/overview';
import { box } from './box.svelte';
import { clock } from './clock.svelte';
import { judge, type Judged } from './verdict';
import { clockTime } from './words';

export function judgedNow(): Judged | null {
  const { overview, lostSince } = box;
  if (!overview) return null;
  const sentence = words.sentence ? words.sentence(overview) : overview.sentence;
  const since = lostSince === null ? '' : clockTime(lostSince, true);
  return judge({ verdict: overview.verdict, sentence }, lostSince, clock.now, since, {
    names: common.verdicts,
    noAnswer: common.noAnswerSince,
  });
}
