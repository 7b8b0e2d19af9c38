// Reads the QR code that the box drew, so that the page draws it itself: markup from outside is never put into the page.

export interface QrPicture {
  width: number;
  height: number;
  /** The dark squares as one path. */
  path: string;
}

/** Moves and lines only, as the box writes them. */
const PATH = /\sd="([MmHhVvLlZz0-9 .,-]+)"/;
const SIZE = /viewBox="0 0 (\d{1,4}) (\d{1,4})"/;

/** The picture, or null when the text is no QR code of the box's kind. */
export function qrPicture(svg: string): QrPicture | null {
  const size = SIZE.exec(svg);
  const path = PATH.exec(svg)?.[1];
  if (!size || !path) return null;
  return { width: Number(size[1]), height: Number(size[2]), path };
}
