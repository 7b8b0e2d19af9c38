// Words of the sign-in page. In the language of the page.

import { texts } from './texts';

export const { signin } = texts;
