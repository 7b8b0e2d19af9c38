// What each role may do, so that a button can say beforehand why it is off. The box's policies decide;
// when they differ, its refusal is shown.

import type { Role } from '../api/types';

export type Ability =
  | 'approve'
  | 'quarantine'
  | 'enrol'
  | 'edit-device'
  | 'triage'
  | 'reload-rules'
  | 'reload-policies'
  | 'people'
  | 'keys'
  | 'audit'
  | 'locate'
  | 'uplink';

const RANK: Record<Role, number> = { viewer: 0, technician: 1, operator: 2, owner: 3 };

const LEAST: Record<Ability, Role> = {
  approve: 'operator',
  quarantine: 'operator',
  enrol: 'technician',
  'edit-device': 'technician',
  triage: 'operator',
  'reload-rules': 'operator',
  'reload-policies': 'owner',
  people: 'owner',
  keys: 'owner',
  audit: 'operator',
  locate: 'technician',
  uplink: 'owner',
};

export function can(role: Role, ability: Ability): boolean {
  return RANK[role] >= RANK[LEAST[ability]];
}

/** The roles that may, least first: "Operator or Owner". */
export function who(ability: Ability): Role[] {
  const roles: Role[] = ['viewer', 'technician', 'operator', 'owner'];
  return roles.filter((role) => can(role, ability));
}
