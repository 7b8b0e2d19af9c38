// A raw payload as something to read: its text when it is text, else its first bytes in hex. Never markup.

const SHOWN_BYTES = 96;

export function sample(base64: string): string {
  let raw: string;
  try {
    raw = atob(base64);
  } catch {
    return base64.slice(0, SHOWN_BYTES);
  }
  const bytes = Uint8Array.from(raw.slice(0, SHOWN_BYTES), (char) => char.charCodeAt(0));
  const more = raw.length > SHOWN_BYTES ? '…' : '';
  try {
    const text = new TextDecoder('utf-8', { fatal: raw.length <= SHOWN_BYTES }).decode(bytes);
    if (!/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\ufffd]/.test(text)) return text + more;
  } catch {
    // not UTF-8: shown as bytes
  }
  return [...bytes.slice(0, 32)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ') + (raw.length > 32 ? ' …' : '');
}
