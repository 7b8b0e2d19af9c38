// Words of settings: display, people, API keys, sessions. In the language of the page.

import { texts } from './texts';

export const { settings } = texts;
