// What the box answers under /api/v1, derived from the API's own document (schema.d.ts, made by `npm run api`).
// The document says `string` where the box has a closed list of words; those are narrowed here, so that a switch over
// them is checked. Nothing else is added: a field that the box does not have cannot be read.

import type { UplinkState } from '../lib/uplink';
import type { components } from './schema';

type Schemas = components['schemas'];
/** `T` with some of its fields narrowed; a name that `T` does not have is an error. */
type Narrow<T, N extends { [K in keyof N]: K extends keyof T ? unknown : never }> = Omit<T, keyof N> & N;

export type Role = Schemas['RoleName'];
export type Severity = 'info' | 'low' | 'medium' | 'high' | 'critical';
export type FindingStatus = 'open' | 'acknowledged' | 'muted' | 'in-case' | 'closed';
export type Trust = 'trusted' | 'fenced' | 'awaiting-approval' | 'identity-changed' | 'quarantined' | 'revoked';
export type DeviceKind = 'client' | 'sensor' | 'camera' | 'agent' | 'box' | 'unknown';
export type Freshness = 'live' | 'late' | 'stale' | 'offline' | 'never';
export type Verdict = 'all-clear' | 'attention' | 'act-now' | 'cannot-tell';
export type MetricValue = Schemas['ValueView'];

export interface Page<T> {
  items: T[];
  next?: string | null;
}

export type Problem = Partial<Schemas['Problem']> & Pick<Schemas['Problem'], 'title' | 'status'>;

export type Setup = Schemas['SetupView'];
export type Session = Schemas['SessionView'];
export type User = Schemas['UserView'];
export type SessionRow = Schemas['SessionRow'];
export type ApiKey = Schemas['ApiKeyView'];
export type NewApiKey = Schemas['CreatedApiKeyView'];

export type Latest = Schemas['LatestView'];
export type Device = Narrow<Schemas['Device'], { kind: DeviceKind; trust: Trust; freshness: Freshness }> & {
  /** Not the box's word: put in by lib/box.svelte.ts from the open findings. */
  worst_severity?: Severity | null;
};
export interface TrustChange {
  time: string;
  actor: string;
  trust: Trust;
  note: string;
}
export type DeviceDetail = Device & Omit<Schemas['DeviceDetail'], keyof Schemas['Device'] | 'history'> & { history: TrustChange[] };
export type Enrolled = Schemas['EnrolResult'];
export type ReadingRow = Schemas['ReadingView'];
export type UnknownPayload = Schemas['UnknownView'];

export type Finding = Narrow<Schemas['FindingView'], { severity: Severity; status: FindingStatus }>;
export type EvidenceAtom = Schemas['AtomView'];
export interface EvidenceEvent {
  time: string;
  fields: Record<string, unknown>;
}
export type Evidence = Narrow<Schemas['EvidenceView'], { events: EvidenceEvent[] }>;
export interface FindingStep {
  time: string;
  actor: string;
  kind: string;
  note: string;
}
export type FindingDetail = Finding &
  Omit<Schemas['DetailView'], keyof Schemas['FindingView'] | 'evidence' | 'first_evidence' | 'history'> & {
    evidence: Evidence;
    history: FindingStep[];
  };

export type RuleRow = Narrow<Schemas['RuleView'], { severity: Severity; status: 'loaded' | 'error' }>;
export type RuleDetail = RuleRow & Omit<Schemas['RuleDetail'], keyof Schemas['RuleView']>;
export type Policies = Schemas['PolicySetView'];
export type PolicyDecision = Schemas['DecisionView'];

export type AuditRow = Narrow<Schemas['RecordView'], { body: Record<string, unknown> }>;
export type LogHead = Schemas['HeadView'];
export type Overview = Narrow<Schemas['OverviewView'], { verdict: Verdict; tiles: Device[] }>;

export type Checkpoint = Schemas['CheckpointView'];
export type Proof = Schemas['InclusionView'];

export type AgentEnrolment = Schemas['AgentEnrolment'];
export type PendingEnrolment = Schemas['PendingEnrolment'];
export type AgentLink = Schemas['AgentLink'];
export type Uplink = Narrow<Schemas['StatusView'], { state: UplinkState }>;
export type Board = Schemas['BoardView'];

/** `/health` stands beside the API and is not in its document. */
export interface Health {
  status: string;
  parts: Record<string, { status: string; detail: string | null }>;
}
