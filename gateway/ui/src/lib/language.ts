// Which language the page speaks, decided once before the first paint (public/theme.js sets `lang`).
// A change loads the page again, so that texts can be plain constants.

export type Language = 'en' | 'de';

export const language: Language =
  typeof document !== 'undefined' && document.documentElement.lang === 'de' ? 'de' : 'en';
