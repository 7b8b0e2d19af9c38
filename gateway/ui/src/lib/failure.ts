// What a failed request is told as: what happened, why, and the code that support asks for.

import type { ApiFailure } from '../api';
import { common } from '../strings/common';
import { session } from './session.svelte';

export function reasonOf(failure: ApiFailure): string {
  if (failure.unreachable) return `${common.noAnswer}. ${common.changedNothing}`;
  const { problem } = failure;
  const text = problem.detail ?? problem.title;
  const role = failure.status === 403 && session.current ? ` ${common.yourRole(common.roles[session.current.user.role])}` : '';
  return `${text.endsWith('.') ? text : `${text}.`}${role}`;
}

export function codeOf(failure: ApiFailure): string {
  const code = failure.problem.code ?? (failure.status ? `HTTP-${failure.status}` : 'NO-ANSWER');
  return code.toUpperCase();
}
