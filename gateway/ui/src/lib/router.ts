// Which page an address means. Pure: no history, no window. Paths have no file names and no hash;
// the box answers index.html for each of them.

export type Route =
  | { page: 'overview' }
  | { page: 'devices' }
  | { page: 'device'; id: string }
  | { page: 'findings'; id: string | null }
  | { page: 'rules' }
  | { page: 'rule'; id: string }
  | { page: 'policies' }
  | { page: 'uplink' }
  | { page: 'enrol-agent' }
  | { page: 'diagnostics' }
  | { page: 'audit' }
  | { page: 'settings'; section: SettingsSection }
  | { page: 'setup' }
  | { page: 'sign-in' }
  | { page: 'not-found'; path: string };

export const SETTINGS_SECTIONS = ['more', 'display', 'people', 'keys', 'sessions'] as const;
export type SettingsSection = (typeof SETTINGS_SECTIONS)[number];

function decode(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null; // a broken percent sign: not a page
  }
}

export function match(path: string): Route {
  const missing: Route = { page: 'not-found', path };
  const parts = path.split('/').filter(Boolean).map(decode);
  if (parts.some((part) => part === null)) return missing;
  const [first, second, ...rest] = parts as string[];
  if (rest.length > 0) return missing;
  switch (first) {
    case undefined:
      return { page: 'overview' };
    case 'devices':
      return second === undefined ? { page: 'devices' } : { page: 'device', id: second };
    case 'findings':
      return { page: 'findings', id: second ?? null };
    case 'rules':
      return second === undefined ? { page: 'rules' } : { page: 'rule', id: second };
    case 'settings': {
      const section = SETTINGS_SECTIONS.find((known) => known === (second ?? 'more'));
      return section ? { page: 'settings', section } : missing;
    }
    case 'enrol-agent':
    case 'uplink':
    case 'policies':
    case 'diagnostics':
    case 'audit':
    case 'setup':
    case 'sign-in':
      return second === undefined ? { page: first } : missing;
    default:
      return missing;
  }
}

export const paths = {
  device: (id: string) => `/devices/${encodeURIComponent(id)}`,
  finding: (id: string) => `/findings/${encodeURIComponent(id)}`,
  rule: (id: string) => `/rules/${encodeURIComponent(id)}`,
};

/** A path that may follow a sign-in: of this site and not the sign-in itself. */
export function safeReturn(path: string | null): string {
  if (!path || !path.startsWith('/') || path.startsWith('//') || path.startsWith('/\\')) return '/';
  return match(new URL(path, 'https://box.invalid').pathname).page === 'sign-in' ? '/' : path;
}
