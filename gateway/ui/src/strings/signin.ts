// Words of the sign-in page.

import { pick } from '../lib/language';

const en = {
  title: 'Sign in',
  lead: 'This box works alone: your name and password are checked inside it.',
  login: 'User name',
  password: 'Password',
  submit: 'Sign in',
  busy: 'Signing in…',
  wrong: 'User name and password do not belong together. Nobody was signed in.',
  wait: (seconds: number) => `Too many tries. The box takes the next one in ${seconds} s.`,
  waitUnknown: 'Too many tries. Wait a minute, then try again.',
  empty: 'Fill in user name and password.',
  forgot: 'Forgot it? An owner can set a new one in Settings, or anyone at the console of the box.',
  certificate: 'Certificate of this box',
};

const de: typeof en = {
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
  forgot: 'Vergessen? Ein Eigentümer setzt in den Einstellungen ein neues, oder jemand an der Konsole der Box.',
  certificate: 'Zertifikat dieser Box',
};

export const signin = pick({ en, de });
