// Words of the uplink page. In the language of the page.

import { texts } from './texts';

export const { uplink } = texts;
