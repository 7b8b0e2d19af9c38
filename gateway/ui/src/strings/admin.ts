// Words of rules, policies, diagnostics and the audit log. In the language of the page.

import { texts } from './texts';

export const { admin } = texts;
