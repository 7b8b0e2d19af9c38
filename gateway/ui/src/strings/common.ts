// Words that every page uses: the vocabulary of the product. Nothing else may be said for these things. In the language of the page.

import { texts } from './texts';

export const { common } = texts;
