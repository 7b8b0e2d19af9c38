// Words of the first set-up. In the language of the page.

import { texts } from './texts';

export const { setup } = texts;
