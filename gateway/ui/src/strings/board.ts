// Words of the box's own hardware. In the language of the page.

import { texts } from './texts';

export const { board } = texts;
