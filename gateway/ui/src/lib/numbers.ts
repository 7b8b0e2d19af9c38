// Numbers as people read them here: thousands by a thin space, a real minus sign, no false precision.

const THIN_SPACE = '\u202f';
const MINUS = '\u2212';

/** 18420 as "18 420"; texts are 64-bit numbers that JSON numbers cannot hold. */
export function count(value: number | string): string {
  const text = String(value);
  const negative = text.startsWith('-');
  const [whole = '', fraction] = text.replace('-', '').split('.');
  const grouped = whole.length > 3 ? whole.replace(/\B(?=(\d{3})+$)/g, THIN_SPACE) : whole;
  return `${negative ? MINUS : ''}${grouped}${fraction ? `.${fraction}` : ''}`;
}

/** A measured value: at most `digits` after the point, trailing zeros kept off for whole numbers. */
export function measured(value: number, digits = 1): string {
  if (!Number.isFinite(value)) return '—';
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e9 || size < 10 ** -(digits + 2))) return value.toExponential(2).replace('-', MINUS);
  const places = size !== 0 && size < 1 ? digits + 1 : digits;
  const text = Number.isInteger(value) ? String(value) : value.toFixed(places);
  return count(Number(text) === 0 ? text.replace('-', '') : text);
}
