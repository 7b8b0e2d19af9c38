// The operations of the box that this interface uses, one function each. Addresses and what is sent are checked against
// the API's document, answers are its types.

import { get, health, patch, post, remove, type Query } from './client';
import type * as t from './types';

export { ApiFailure, address } from './client';

/** A note is never left out: the box takes an empty one. */
const noted = (note = '') => ({ note });
const named = (id: string) => ({ path: { id } });

export const api = {
  setup: () => get<t.Setup>('/api/v1/setup'),
  setupOwner: (body: { code: string; name: string; login: string; password: string }) =>
    post<t.Session, '/api/v1/setup/owner'>('/api/v1/setup/owner', body),
  setupFinish: (body: { site_name: string; time_zone: string }) =>
    post<void, '/api/v1/setup/finish'>('/api/v1/setup/finish', body),

  session: () => get<t.Session>('/api/v1/session'),
  signIn: (login: string, password: string) => post<t.Session, '/api/v1/session'>('/api/v1/session', { login, password }),
  signOut: () => remove('/api/v1/session'),

  overview: () => get<t.Overview>('/api/v1/overview'),

  devices: (query: Query) => get<t.Page<t.Device>>('/api/v1/devices', { query }),
  device: (id: string) => get<t.DeviceDetail>('/api/v1/devices/{id}', named(id)),
  editDevice: (id: string, body: { name?: string; zone?: string; kind?: t.DeviceKind }) =>
    patch<t.DeviceDetail, '/api/v1/devices/{id}'>('/api/v1/devices/{id}', body, named(id)),
  approve: (id: string, note?: string) =>
    post<unknown, '/api/v1/devices/{id}/approve'>('/api/v1/devices/{id}/approve', noted(note), named(id)),
  quarantine: (id: string, reason: string) =>
    post<unknown, '/api/v1/devices/{id}/quarantine'>('/api/v1/devices/{id}/quarantine', { reason }, named(id)),
  release: (id: string, note?: string) =>
    post<unknown, '/api/v1/devices/{id}/release'>('/api/v1/devices/{id}/release', noted(note), named(id)),
  enrol: (body: { id: string; name?: string; kind?: t.DeviceKind; csr_pem?: string }) =>
    post<t.Enrolled, '/api/v1/devices/enrol'>('/api/v1/devices/enrol', body),
  readings: (id: string, query: Query) => get<t.Page<t.ReadingRow>>('/api/v1/devices/{id}/readings', { ...named(id), query }),
  unknownPayloads: () => get<t.Page<t.UnknownPayload>>('/api/v1/payloads/unknown'),

  findings: (query: Query) => get<t.Page<t.Finding>>('/api/v1/findings', { query }),
  finding: (id: string) => get<t.FindingDetail>('/api/v1/findings/{id}', named(id)),
  acknowledge: (id: string, note?: string) =>
    post<unknown, '/api/v1/findings/{id}/acknowledge'>('/api/v1/findings/{id}/acknowledge', noted(note), named(id)),
  close: (id: string, reason: string) =>
    post<unknown, '/api/v1/findings/{id}/close'>('/api/v1/findings/{id}/close', { reason }, named(id)),
  reopen: (id: string, reason: string) =>
    post<unknown, '/api/v1/findings/{id}/reopen'>('/api/v1/findings/{id}/reopen', { reason }, named(id)),

  rules: () => get<t.Page<t.RuleRow>>('/api/v1/rules'),
  rule: (id: string) => get<t.RuleDetail>('/api/v1/rules/{id}', named(id)),
  reloadRules: () => post<unknown, '/api/v1/rules/reload'>('/api/v1/rules/reload', undefined),
  policies: () => get<t.Policies>('/api/v1/policies'),
  reloadPolicies: () => post<unknown, '/api/v1/policies/reload'>('/api/v1/policies/reload', undefined),
  decisions: () => get<t.Page<t.PolicyDecision>>('/api/v1/policies/decisions', { query: { limit: 50 } }),

  users: () => get<t.Page<t.User>>('/api/v1/users', { query: { limit: 200 } }),
  createUser: (body: { login: string; name: string; role: t.Role; password: string }) =>
    post<t.User, '/api/v1/users'>('/api/v1/users', body),
  editUser: (id: string, body: { name?: string; role?: t.Role; password?: string }) =>
    patch<t.User, '/api/v1/users/{id}'>('/api/v1/users/{id}', body, named(id)),
  deleteUser: (id: string) => remove('/api/v1/users/{id}', named(id)),
  sessions: () => get<t.Page<t.SessionRow>>('/api/v1/sessions', { query: { limit: 200 } }),
  endSession: (id: string) => remove('/api/v1/sessions/{id}', named(id)),
  apiKeys: () => get<t.Page<t.ApiKey>>('/api/v1/api-keys', { query: { limit: 200 } }),
  createApiKey: (body: { name: string; role: t.Role; expires_in_days: number }) =>
    post<t.NewApiKey, '/api/v1/api-keys'>('/api/v1/api-keys', body),
  revokeApiKey: (id: string) => remove('/api/v1/api-keys/{id}', named(id)),

  audit: (query: Query) => get<t.Page<t.AuditRow>>('/api/v1/audit', { query }),
  logHead: () => get<t.LogHead>('/api/v1/site-log/head'),
  checkpoint: () => get<t.Checkpoint>('/api/v1/site-log/checkpoint'),
  proof: (query: { seq: string; size: string }) => get<t.Proof>('/api/v1/site-log/proof', { query }),

  enrolAgent: (body: { code: string | null; name: string | null; zone: string | null }) =>
    post<t.AgentEnrolment, '/api/v1/agents/enrol'>('/api/v1/agents/enrol', body),
  enrolments: () => get<t.Page<t.PendingEnrolment>>('/api/v1/agents/enrolments'),
  revokeAgent: (id: string, reason: string) =>
    post<t.DeviceDetail, '/api/v1/agents/{id}/revoke'>('/api/v1/agents/{id}/revoke', { reason }, named(id)),
  withdrawEnrolment: (id: string) => remove('/api/v1/agents/enrolments/{id}', named(id)),

  uplink: () => get<t.Uplink>('/api/v1/uplink'),
  registerUplink: (body: { url: string; claim_code: string; ca_pem?: string }) =>
    post<t.Uplink, '/api/v1/uplink/register'>('/api/v1/uplink/register', body),
  forgetUplink: () => remove('/api/v1/uplink'),

  board: () => get<t.Board>('/api/v1/board'),
  locateBox: (seconds: number) => post<t.Board, '/api/v1/board/locate'>('/api/v1/board/locate', { seconds }),

  health: () => health<t.Health>(),
};
