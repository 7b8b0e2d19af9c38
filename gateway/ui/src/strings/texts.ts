// Loads the words of the one language that the page speaks; the other one is not fetched.
// English is the measure: a text that German lacks is an error of the type check.

import { language } from '../lib/language';

export const texts: typeof import('./en') = language === 'de' ? await import('./de') : await import('./en');
