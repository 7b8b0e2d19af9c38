// The operations of the box that this interface uses, one function each, with their types.

import { health, http } from './client';
import type * as t from './types';

export { ApiFailure, address, BASE } from './client';

const id = encodeURIComponent;

export const api = {
  setup: () => http.get<t.Setup>('/setup'),
  setupOwner: (body: { code: string; name: string; login: string; password: string }) =>
    http.post<t.Session>('/setup/owner', body),
  setupFinish: (body: { site_name: string; time_zone: string }) => http.post<void>('/setup/finish', body),

  session: () => http.get<t.Session>('/session'),
  signIn: (login: string, password: string) => http.post<t.Session>('/session', { login, password }),
  signOut: () => http.delete<void>('/session'),

  overview: () => http.get<t.Overview>('/overview'),

  devices: (query: Record<string, string | number | null | undefined>) =>
    http.get<t.Page<t.Device>>('/devices', query),
  device: (device: string) => http.get<t.DeviceDetail>(`/devices/${id(device)}`),
  editDevice: (device: string, body: { name?: string; zone?: string; kind?: t.DeviceKind }) =>
    http.patch<t.DeviceDetail>(`/devices/${id(device)}`, body),
  approve: (device: string, note?: string) => http.post<unknown>(`/devices/${id(device)}/approve`, note ? { note } : {}),
  quarantine: (device: string, reason: string) => http.post<unknown>(`/devices/${id(device)}/quarantine`, { reason }),
  release: (device: string, note?: string) => http.post<unknown>(`/devices/${id(device)}/release`, note ? { note } : {}),
  enrol: (body: { id: string; name?: string; kind?: t.DeviceKind; csr_pem?: string }) =>
    http.post<t.Enrolled>('/devices/enrol', body),
  readings: (device: string, query: Record<string, string | number | null | undefined>) =>
    http.get<t.Page<t.ReadingRow>>(`/devices/${id(device)}/readings`, query),
  unknownPayloads: () => http.get<t.Page<t.UnknownPayload>>('/payloads/unknown', { limit: 100 }),

  findings: (query: Record<string, string | number | null | undefined>) =>
    http.get<t.Page<t.Finding>>('/findings', query),
  finding: (finding: string) => http.get<t.FindingDetail>(`/findings/${id(finding)}`),
  acknowledge: (finding: string, note?: string) =>
    http.post<unknown>(`/findings/${id(finding)}/acknowledge`, note ? { note } : {}),
  close: (finding: string, reason: string) => http.post<unknown>(`/findings/${id(finding)}/close`, { reason }),
  reopen: (finding: string, reason: string) => http.post<unknown>(`/findings/${id(finding)}/reopen`, { reason }),

  rules: () => http.get<t.Page<t.RuleRow>>('/rules', { limit: 200 }),
  rule: (rule: string) => http.get<t.RuleDetail>(`/rules/${id(rule)}`),
  reloadRules: () => http.post<unknown>('/rules/reload'),
  policies: () => http.get<t.Policies>('/policies'),
  reloadPolicies: () => http.post<unknown>('/policies/reload'),
  decisions: () => http.get<t.Page<t.PolicyDecision>>('/policies/decisions', { limit: 50 }),

  users: () => http.get<t.Page<t.User>>('/users', { limit: 200 }),
  createUser: (body: { login: string; name: string; role: t.Role; password: string }) =>
    http.post<t.User>('/users', body),
  editUser: (user: string, body: { name?: string; role?: t.Role; password?: string }) =>
    http.patch<t.User>(`/users/${id(user)}`, body),
  deleteUser: (user: string) => http.delete<void>(`/users/${id(user)}`),
  sessions: () => http.get<t.Page<t.SessionRow>>('/sessions', { limit: 200 }),
  endSession: (session: string) => http.delete<void>(`/sessions/${id(session)}`),
  apiKeys: () => http.get<t.Page<t.ApiKey>>('/api-keys', { limit: 200 }),
  createApiKey: (body: { name: string; role: t.Role; expires_in_days: number }) =>
    http.post<t.NewApiKey>('/api-keys', body),
  revokeApiKey: (key: string) => http.delete<void>(`/api-keys/${id(key)}`),

  audit: (query: Record<string, string | number | null | undefined>) => http.get<t.Page<t.AuditRow>>('/audit', query),
  logHead: () => http.get<t.LogHead>('/site-log/head'),
  health: () => health<t.Health>(),
};
