// Words of the sign-in page. In German.

import type { signin as English } from '../en/signin';

export const signin: typeof English = {
  title: 'Anmelden',
  lead: 'Diese Box arbeitet allein: Name und Passwort werden in ihr geprüft.',
  login: 'Benutzername',
  password: 'Passwort',
  submit: 'Anmelden',
  busy: 'Melde an…',
  wrong: 'Benutzername und Passwort gehören nicht zusammen. Niemand wurde angemeldet.',
  wait: (seconds) => `Zu viele Versuche. Die Box nimmt den nächsten in ${seconds} s an.`,
  waitUnknown: 'Zu viele Versuche. Warten Sie eine Minute, dann versuchen Sie es erneut.',
  empty: 'Füllen Sie Benutzername und Passwort aus.',
  forgot: 'Vergessen? Ein Eigentümer setzt in den Einstellungen ein neues. Ohne ihn kann es ein API-Schlüssel für Eigentümer, den die Konsole der Box macht.',
  certificate: 'Zertifikat dieser Box',
};
