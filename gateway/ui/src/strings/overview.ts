// Words of the overview. In the language of the page.

import { texts } from './texts';

export const { overview } = texts;
