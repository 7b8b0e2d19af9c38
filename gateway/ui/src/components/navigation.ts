// The pages in their order, for side bar, tab bar, find box and keyboard help.

import type { IconName } from '../lib/icon-names';
import { shell as words } from '../strings/shell';

export interface NavItem {
  page: string;
  href: string;
  label: string;
  icon: IconName;
  key: string;
}

export const navigation: NavItem[] = [
  { page: 'overview', href: '/', label: words.overview, icon: 'layout-dashboard', key: 'O' },
  { page: 'devices', href: '/devices', label: words.devices, icon: 'cpu', key: 'D' },
  { page: 'findings', href: '/findings', label: words.findings, icon: 'siren', key: 'F' },
  { page: 'rules', href: '/rules', label: words.rules, icon: 'scan-search', key: 'R' },
  { page: 'policies', href: '/policies', label: words.policies, icon: 'network', key: 'P' },
  { page: 'uplink', href: '/uplink', label: words.uplink, icon: 'link', key: 'U' },
  { page: 'diagnostics', href: '/diagnostics', label: words.diagnostics, icon: 'activity', key: 'X' },
  { page: 'audit', href: '/audit', label: words.audit, icon: 'scroll-text', key: 'A' },
  { page: 'settings', href: '/settings/display', label: words.settings, icon: 'settings', key: 'S' },
];

export const tabs: Omit<NavItem, 'key'>[] = [
  { page: 'overview', href: '/', label: words.home, icon: 'house' },
  { page: 'devices', href: '/devices', label: words.devices, icon: 'cpu' },
  { page: 'findings', href: '/findings', label: words.findings, icon: 'siren' },
  { page: 'settings', href: '/settings', label: words.more, icon: 'menu' },
];
