// What the box answers under /api/v1, as this interface reads it.
// Not a validator: the box is the authority. Numbers of 64 bits are texts, times are RFC 3339 in UTC.

export type Role = 'viewer' | 'technician' | 'operator' | 'owner';
export type Severity = 'info' | 'low' | 'medium' | 'high' | 'critical';
export type FindingStatus = 'open' | 'acknowledged' | 'muted' | 'in-case' | 'closed';
export type Trust = 'trusted' | 'fenced' | 'awaiting-approval' | 'identity-changed' | 'quarantined' | 'revoked';
export type DeviceKind = 'client' | 'sensor' | 'camera' | 'agent' | 'box' | 'unknown';
export type Freshness = 'live' | 'late' | 'stale' | 'offline' | 'never';
export type Verdict = 'all-clear' | 'attention' | 'act-now' | 'cannot-tell';
export type MetricValue = number | string | boolean;

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface Setup {
  needed: boolean;
  steps: string[];
  ca_fingerprint: string | null;
  box_time: string;
}

export interface User {
  id: string;
  login: string;
  name: string;
  role: Role;
  created?: string;
  last_seen?: string | null;
}

export interface Session {
  user: User;
  expires: string;
}

export interface SessionRow {
  id: string;
  user_id?: string;
  login?: string;
  name?: string;
  address?: string | null;
  user_agent?: string | null;
  created: string;
  last_seen?: string | null;
  expires: string;
  current?: boolean;
}

export interface ApiKey {
  id: string;
  name: string;
  role: Role;
  created: string;
  created_by?: string | null;
  expires: string | null;
  last_used?: string | null;
}

export interface NewApiKey extends ApiKey {
  key: string;
}

export interface Latest {
  metric: string;
  unit: string | null;
  value: MetricValue;
  time: string;
}

export interface Device {
  id: string;
  name: string;
  kind: DeviceKind;
  zone: string | null;
  trust: Trust;
  via: string | null;
  model: string | null;
  first_seen: string | null;
  last_seen: string | null;
  freshness: Freshness;
  report_interval_s: number | null;
  connected: boolean;
  latest: Latest[];
  open_findings: number;
  demo: boolean;
  /** Not the box's word: put in by lib/box.svelte.ts from the open findings. */
  worst_severity?: Severity | null;
}

export interface TrustChange {
  time: string;
  actor: string;
  trust: Trust;
  note: string;
}

export interface DeviceDetail extends Device {
  facts: Record<string, string>;
  address?: string | null;
  credential: { kind: string; created: string; fingerprint: string | null } | null;
  history: TrustChange[];
}

export interface Enrolled {
  device_id: string;
  trust?: Trust;
  credential?: { client_id: string; username: string; password: string } | null;
  certificate_pem?: string | null;
  ca_pem?: string | null;
}

export interface ReadingRow {
  time: string;
  received: string;
  value: MetricValue;
  unit: string | null;
  time_source: string;
}

export interface UnknownPayload {
  topic: string;
  count: number | string;
  last: string;
  sample_base64: string;
  reason: string;
}

export interface Finding {
  id: string;
  rule_id: string;
  title: string;
  severity: Severity;
  status: FindingStatus;
  asset: string | null;
  asset_name: string | null;
  first_seen: string;
  last_seen: string;
  count: number | string;
  summary: string | null;
  assignee: string | null;
  demo: boolean;
}

export interface EvidenceAtom {
  selection: string;
  field: string;
  test: string;
  value: string;
  matched: boolean;
  line: number;
}

export interface EvidenceEvent {
  time: string;
  fields: Record<string, unknown>;
}

export interface Evidence {
  reason: string;
  rule_source: string;
  atoms: EvidenceAtom[];
  events: EvidenceEvent[];
  window: { from: string; to: string } | null;
}

export interface FindingStep {
  time: string;
  actor: string;
  kind: string;
  note: string | null;
}

export interface FindingDetail extends Finding {
  evidence: Evidence;
  techniques: string[];
  history: FindingStep[];
  log_seq: string;
}

export interface RuleRow {
  id: string;
  title: string;
  severity: Severity | null;
  file: string;
  status: 'loaded' | 'error';
  error: string | null;
  matches: number | string;
  tests: number | null;
}

export interface RuleDetail extends RuleRow {
  description?: string;
  techniques?: string[];
  source: string;
}

export interface PolicyFile {
  name: string;
  source: string;
  policies: string[];
}

export interface Policies {
  epoch: number | string;
  files: PolicyFile[];
  error: string | null;
}

export interface PolicyDecision {
  time: string;
  principal: string;
  action: string;
  resource: string;
  allow: boolean;
  policies: string[];
  count?: number | string;
}

export interface AuditRow {
  seq: string;
  time: string;
  kind: string;
  actor: string | null;
  body: Record<string, unknown>;
}

export interface LogHead {
  size: number | string;
  root: string;
}

export interface Change {
  time: string;
  sentence: string;
  link: string | null;
}

export interface BoxState {
  time: string;
  version: string;
  uptime_s: number;
  demo: boolean;
  site_name: string;
  broker: { clients: number; messages_per_s: number };
}

export interface DeviceCounts {
  total: number;
  live: number;
  late: number;
  stale: number;
  offline: number;
  never: number;
  awaiting: number;
  quarantined: number;
}

export interface Overview {
  verdict: Verdict;
  sentence: string;
  reasons: string[];
  open: Record<Severity, number>;
  devices: DeviceCounts;
  tiles: Device[];
  changes: Change[];
  box: BoxState;
}

export interface Health {
  status: string;
  parts: Record<string, string | { status: string; detail?: string | null }>;
}

export interface Problem {
  type?: string;
  title: string;
  status: number;
  detail?: string | null;
  code?: string | null;
  request_id?: string | null;
  policies?: string[];
}
