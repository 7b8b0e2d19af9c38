// Words of the device list, its dialogs and the device page. In the language of the page.

import { texts } from './texts';

export const { devices } = texts;
