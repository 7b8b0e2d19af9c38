// Marks up a rule's YAML line by line for reading: keys, texts, numbers, comments. Not a YAML parser:
// it never judges, and a line that it does not understand is shown as it is.

export type Token = { text: string; kind: 'k' | 's' | 'n' | 'c' | '' };

function scalar(text: string): Token[] {
  const body = text.trim();
  if (!body) return text ? [{ text, kind: '' }] : [];
  const lead = text.slice(0, text.indexOf(body));
  const tail = text.slice(lead.length + body.length);
  const kind: Token['kind'] =
    /^-?\d+(\.\d+)?([a-z]{1,2})?$/i.test(body) || /^(true|false|null|~)$/i.test(body)
      ? 'n'
      : /^(['"]).*\1$/.test(body)
        ? 's'
        : '';
  const tokens: Token[] = [
    { text: lead, kind: '' },
    { text: body, kind },
    { text: tail, kind: '' },
  ];
  return tokens.filter((token) => token.text);
}

/** Splits a trailing comment off, minding quotes. */
function comment(line: string): [string, string] {
  let quote = '';
  for (let i = 0; i < line.length; i += 1) {
    const char = line.charAt(i);
    if (quote) {
      if (char === quote) quote = '';
    } else if (char === "'" || char === '"') {
      quote = char;
    } else if (char === '#' && (i === 0 || /\s/.test(line.charAt(i - 1)))) {
      return [line.slice(0, i), line.slice(i)];
    }
  }
  return [line, ''];
}

export function tokens(line: string): Token[] {
  const [code, note] = comment(line);
  const found: Token[] = [];
  const key = /^(\s*(?:- )?)([^\s:'"#][^\s:]*)(:)(?=\s|$)(.*)$/.exec(code);
  if (key) {
    const [, indent = '', name = '', colon = '', rest = ''] = key;
    if (indent) found.push({ text: indent, kind: '' });
    found.push({ text: name, kind: 'k' }, { text: colon, kind: '' }, ...scalar(rest));
  } else {
    const item = /^(\s*- )(.*)$/.exec(code);
    if (item) found.push({ text: item[1] ?? '', kind: '' }, ...scalar(item[2] ?? ''));
    else found.push(...scalar(code));
  }
  if (note) found.push({ text: note, kind: 'c' });
  return found;
}
