// Words that every page uses: the vocabulary of the product. Nothing else may be said for these things. In English.

import type { DeviceKind, FindingStatus, Freshness, Role, Severity, Trust, Verdict } from '../../api/types';
import type { TimeWords } from '../../lib/time';

export interface Common {
  time: TimeWords;
  severity: Record<Severity, string>;
  trust: Record<Trust, string>;
  trustMeaning: Record<Trust, string>;
  freshness: Record<Freshness, string>;
  status: Record<FindingStatus, string>;
  roles: Record<Role, string>;
  roleMeaning: Record<Role, string>;
  kinds: Record<DeviceKind, string>;
  verdicts: Record<Verdict, string>;
  or: string;
  since: (when: string) => string;
  was: string;
  on: string;
  off: string;
  none: string;
  cancel: string;
  close: string;
  back: string;
  tryAgain: string;
  more: string;
  demo: string;
  demoMeaning: string;
  noAnswer: string;
  noAnswerSince: (when: string) => string;
  asOf: (when: string) => string;
  code: string;
  request: string;
  notAllowed: (role: string) => string;
  needs: (roles: string) => string;
  changedNothing: string;
  dueEvery: (interval: string) => string;
  show: string;
  hide: string;
  copy: string;
  copied: string;
  clearFilters: string;
  clearFilter: (name: string) => string;
  filter: string;
  move: string;
  open: string;
  select: string;
  loading: string;
  yourRole: (role: string) => string;
  missing: (count: number) => string;
  events: (count: string) => string;
  actorKey: (id: string) => string;
  actorBox: (part: string) => string;
  actorConsole: string;
  actorNobody: string;
}

export const common: Common = {
  time: {
    locale: 'en-GB',
    today: 'today',
    yesterday: 'yesterday',
    ago: (age) => `${age} ago`,
    units: { s: 's', min: 'min', h: 'h', d: 'd' },
  },
  severity: { critical: 'Critical', high: 'High', medium: 'Medium', low: 'Low', info: 'Info' },
  trust: {
    trusted: 'Trusted',
    fenced: 'Fenced',
    'awaiting-approval': 'Awaiting approval',
    'identity-changed': 'Identity changed',
    quarantined: 'Quarantined',
    revoked: 'Revoked',
  },
  trustMeaning: {
    trusted: 'Its credential matches the enrolment at every connect.',
    fenced: 'It cannot hold a key. The box knows it by address and behaviour.',
    'awaiting-approval': 'The box has seen it. Nobody decided yet.',
    'identity-changed': 'It showed another key than at enrolment. The box cut it off.',
    quarantined: 'A person or a policy cut it off on purpose.',
    revoked: 'Its credential is withdrawn. It needs a new enrolment.',
  },
  freshness: { live: 'Live', late: 'Late', stale: 'Stale', offline: 'Offline', never: 'Never reported' },
  status: { open: 'Open', acknowledged: 'Acknowledged', muted: 'Muted', 'in-case': 'In case', closed: 'Closed' },
  roles: { owner: 'Owner', operator: 'Operator', technician: 'Technician', viewer: 'Viewer' },
  roleMeaning: {
    owner: 'Everything, people and keys included',
    operator: 'Runs the site day by day',
    technician: 'Enrols and checks devices',
    viewer: 'Sees, changes nothing',
  },
  kinds: { client: 'MQTT client', sensor: 'Sensor', camera: 'Camera', agent: 'MCU agent', box: 'Box', unknown: 'Unknown' },
  verdicts: { 'all-clear': 'All clear', attention: 'Attention', 'act-now': 'Act now', 'cannot-tell': 'Cannot tell' },
  or: 'or',
  since: (when) => `since ${when}`,
  was: 'was',
  on: 'On',
  off: 'Off',
  none: 'none',
  cancel: 'Cancel',
  close: 'Close',
  back: 'Back',
  tryAgain: 'Try again',
  more: 'Show more',
  demo: 'Demo',
  demoMeaning: 'This box shows a demo site. Devices and findings here are not real.',
  noAnswer: 'No answer from the box',
  noAnswerSince: (when) => `no answer from the box since ${when}`,
  asOf: (when) => `What is below is from ${when}.`,
  code: 'Code',
  request: 'Request',
  notAllowed: (role) => `Your role is ${role}.`,
  needs: (roles) => `It needs ${roles}.`,
  changedNothing: 'Nothing was changed.',
  dueEvery: (interval) => `due every ${interval}`,
  show: 'Show',
  hide: 'Hide',
  copy: 'Copy',
  copied: 'Copied',
  clearFilters: 'Clear filters',
  clearFilter: (name) => `Clear filter ${name}`,
  filter: 'Filter',
  move: 'move',
  open: 'open',
  select: 'Select',
  loading: 'Reading from the box.',
  yourRole: (role) => `Your role is ${role}.`,
  missing: (count) => (count === 1 ? '1 character missing' : `${count} characters missing`),
  events: (count) => (count === '1' ? '1 event' : `${count} events`),
  actorKey: (id) => `API key ${id}`,
  actorBox: (part) => `the box (${part})`,
  actorConsole: 'the console',
  actorNobody: 'nobody signed in',
};
