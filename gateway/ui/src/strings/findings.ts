// Words of the findings list and of one finding. In the language of the page.

import { texts } from './texts';

export const { findings } = texts;
