// Words of the overview. In German.

import type { overview as English } from '../en/overview';

export const overview: typeof English = {
  title: 'Übersicht des Standorts',
  verdict: 'Urteil über den Standort',
  before: (sentence) => `Davor stand hier: ${sentence}.`,
  openFinding: 'Offene Befunde',
  toTriage: 'Zur Liste',
  severityLink: (severity, count) => `${severity}: ${count} offen`,
  allClearText: 'Kein Befund über niedrig ist offen, und jedes Gerät meldet, das melden muss.',
  judgedOn: (fresh, total) => `Beurteilt nach ${fresh} von ${total} vertrauten Geräten.`,
  noFresh: (count) => `${count} ${count === '1' ? 'hat' : 'haben'} keine frischen Daten.`,
  openFindingOf: (id) => `Befund F-${id} öffnen`,
  quarantine: (name) => `${name} in Quarantäne…`,
  showSilent: (count) => (count === '1' ? 'Das stumme Gerät zeigen' : `${count} stumme Geräte zeigen`),
  sentence: ({ verdict, open, devices }) => {
    const silent = devices.stale + devices.offline;
    const serious = open.high + open.medium;
    if (verdict === 'act-now' && open.critical > 0) return open.critical === 1 ? '1 kritischer Befund offen' : `${open.critical} kritische Befunde offen`;
    if (verdict === 'act-now' || verdict === 'cannot-tell') return silent === 1 ? '1 vertrautes Gerät meldet nicht' : `${silent} vertraute Geräte melden nicht`;
    if (verdict === 'attention') return serious > 0 ? `${serious} Befunde mit hoher oder mittlerer Schwere offen` : 'ein vertrautes Gerät ist verspätet';
    return 'nichts über niedrig ist offen';
  },
  setupLeft: 'Die erste Einrichtung ist nicht abgeschlossen.',
  setupLeftText: 'Der Standort hat noch keinen eigenen Namen und keine Zeitzone.',
  setupGo: 'Fortsetzen',
  ofLive: (total) => `von ${total} vertrauten Geräten melden`,
  box: 'Box',
  boxText: 'Alles wird auf dieser Box beurteilt und behalten. Nichts wird gesendet.',
  clientsNow: 'MQTT-Clients',
  rateNow: 'Nachrichten je Sekunde',
  upFor: 'läuft',
  awaiting: (count) => `${count} warten auf Freigabe`,
  quarantined: (count) => `${count} in Quarantäne`,
  count: (count, word) => `${count} ${word}`,
  all: (count) => `Alle ${count}`,
  noZone: 'Ohne Zone',
  zoneCount: (count) => (count === 1 ? '1 Gerät' : `${count} Geräte`),
  quiet: (count) => `${count} weitere Geräte sind live und ruhig. In jeder Zone das Schlimmste zuerst.`,
  worstFirst: 'In jeder Zone das Schlimmste zuerst.',
  noDevices: 'Noch hat sich kein Gerät gemeldet',
  noDevicesText: 'Melden Sie das erste Gerät an, oder lassen Sie eines verbinden: Es wartet dann auf Ihre Freigabe.',
  enrol: 'Gerät anmelden',
  changed: 'Was sich geändert hat',
  nothingChanged: 'Am letzten Tag hat sich nichts geändert.',
  fullAudit: 'Ganzes Prüfprotokoll',
  blocked: 'Gesperrt',
  cutOff: 'Getrennt',
  waits: 'Wartet',
  findings: (count) => (count === 1 ? '1 offener Befund' : `${count} offene Befunde`),
};
