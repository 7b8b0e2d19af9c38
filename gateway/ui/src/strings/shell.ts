// Words of the frame: navigation, top bar, banners, keyboard help, find box. In the language of the page.

import { texts } from './texts';

export const { shell } = texts;
