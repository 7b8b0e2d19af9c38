// Words of agents. In the language of the page.

import { texts } from './texts';

export const { agents } = texts;
