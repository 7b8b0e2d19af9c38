// Which language the page speaks, decided once before the first paint (public/theme.js sets `lang`).
// A change loads the page again, so that texts can be plain constants.

export type Language = 'en' | 'de';

export const language: Language =
  typeof document !== 'undefined' && document.documentElement.lang === 'de' ? 'de' : 'en';

/** The texts of a module in the language of the page. */
export function pick<T>(texts: { en: T; de: T }): T {
  return texts[language];
}
