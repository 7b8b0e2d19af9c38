// The one place that speaks HTTP to the box. Every failure becomes an ApiFailure that says what happened;
// nothing is retried here, because only the caller knows whether a second try is harmless.

import type { paths } from './schema';
import type { Problem } from './types';

/** Longest wait for one answer; a box that is silent for longer is treated as unreachable. */
export const ANSWER_TIMEOUT_MS = 10_000;

export class ApiFailure extends Error {
  /** HTTP status; 0 when the box gave no answer at all. */
  readonly status: number;
  readonly problem: Problem;
  /** Seconds to wait before the next try, when the box named them. */
  readonly retryAfter: number | null;

  constructor(problem: Problem, retryAfter: number | null = null) {
    super(problem.detail ?? problem.title);
    this.status = problem.status;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }

  get unreachable(): boolean {
    return this.status === 0;
  }
}

export type Method = 'get' | 'post' | 'patch' | 'delete';
/** Addresses of the API's document that know this method. */
export type PathOf<M extends Method> = {
  [P in keyof paths]: paths[P] extends { [K in M]: object } ? P : never;
}[keyof paths];
type Operation<P extends keyof paths, M extends Method> = paths[P] extends { [K in M]: infer O } ? O : never;
/** What is sent there, by the document. */
export type BodyOf<P extends keyof paths, M extends Method> =
  Operation<P, M> extends { requestBody: { content: { 'application/json': infer B } } } ? B : undefined;
export type Query = Record<string, string | number | null | undefined>;
export interface Parameters {
  /** Values of the names in braces. */
  path?: Record<string, string>;
  query?: Query;
}

/** Called with true after each answer and with false when there was none. */
let onContact: (reached: boolean) => void = () => undefined;
/** Called when the box says that nobody is signed in. */
let onSignedOut: () => void = () => undefined;

export function observe(handlers: { contact: (reached: boolean) => void; signedOut: () => void }): void {
  onContact = handlers.contact;
  onSignedOut = handlers.signedOut;
}

export function address(path: keyof paths, { path: names = {}, query = {} }: Parameters = {}): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(names[name] ?? ''));
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') search.set(key, String(value));
  }
  const text = search.toString();
  return `${filled}${text ? `?${text}` : ''}`;
}

async function problemOf(response: Response): Promise<Problem> {
  try {
    const body = (await response.json()) as Partial<Problem>;
    if (typeof body.title === 'string') return { ...body, title: body.title, status: response.status };
  } catch {
    // not JSON: a proxy or a half answer; the status alone must do
  }
  return { title: response.statusText || `HTTP ${response.status}`, status: response.status };
}

/** One request with its time limit; no answer is a failure of status 0. */
async function ask(method: string, url: string, body?: unknown): Promise<Response> {
  const init: RequestInit = {
    method,
    credentials: 'same-origin',
    cache: 'no-store',
    signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    headers: {
      accept: 'application/json',
      ...(method === 'GET' ? {} : { 'x-sitewarden': '1' }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
  };
  if (body !== undefined) init.body = JSON.stringify(body);
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch {
    onContact(false);
    throw new ApiFailure({ title: 'No answer from the box', status: 0 });
  }
  onContact(true);
  return response;
}

async function send<T>(method: string, path: keyof paths, parameters?: Parameters, body?: unknown): Promise<T> {
  const response = await ask(method, address(path, parameters), body);
  if (!response.ok) {
    const problem = await problemOf(response);
    if (response.status === 401 && path !== '/api/v1/session') onSignedOut();
    const wait = Number(response.headers.get('retry-after'));
    throw new ApiFailure(problem, Number.isFinite(wait) && wait > 0 ? wait : null);
  }
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

/** State of the box's parts: told with 503 too, when one of them fails. */
export async function health<T>(): Promise<T> {
  const response = await ask('GET', '/health');
  if (response.ok || response.status === 503) return (await response.json()) as T;
  throw new ApiFailure(await problemOf(response));
}

export function get<T>(path: PathOf<'get'>, parameters?: Parameters): Promise<T> {
  return send<T>('GET', path, parameters);
}

export function post<T, P extends PathOf<'post'>>(path: P, body: BodyOf<P, 'post'>, parameters?: Parameters): Promise<T> {
  return send<T>('POST', path, parameters, body ?? {});
}

export function patch<T, P extends PathOf<'patch'>>(path: P, body: BodyOf<P, 'patch'>, parameters?: Parameters): Promise<T> {
  return send<T>('PATCH', path, parameters, body);
}

export function remove(path: PathOf<'delete'>, parameters?: Parameters): Promise<void> {
  return send<void>('DELETE', path, parameters);
}
