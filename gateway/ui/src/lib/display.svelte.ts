// What a person chose for this browser: theme, contrast, language, single keys. Kept in the browser only.

import { language, type Language } from './language';

const THEME = 'sitewarden-theme';
const CONTRAST = 'sitewarden-contrast';
const LANGUAGE = 'sitewarden-language';
const KEYS = 'sitewarden-single-keys';

export type ThemeChoice = 'system' | 'light' | 'dark';

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // a private window without storage: the choice lasts as long as the page
  }
}

const darkSystem = matchMedia('(prefers-color-scheme: dark)');

class Display {
  theme = $state<ThemeChoice>('system');
  contrast = $state(false);
  singleKeys = $state(true);
  /** The theme that is shown; charts redraw when it moves. */
  shown = $state<'light' | 'dark'>('light');

  constructor() {
    const theme = read(THEME);
    this.theme = theme === 'light' || theme === 'dark' ? theme : 'system';
    this.contrast = read(CONTRAST) === 'more';
    this.singleKeys = read(KEYS) !== 'off';
    darkSystem.addEventListener('change', () => this.#apply());
    this.#apply();
  }

  setTheme(theme: ThemeChoice): void {
    this.theme = theme;
    write(THEME, theme === 'system' ? null : theme);
    this.#apply();
  }

  toggleTheme(): void {
    this.setTheme(this.shown === 'dark' ? 'light' : 'dark');
  }

  setContrast(more: boolean): void {
    this.contrast = more;
    write(CONTRAST, more ? 'more' : null);
    this.#apply();
  }

  setSingleKeys(on: boolean): void {
    this.singleKeys = on;
    write(KEYS, on ? null : 'off');
  }

  setLanguage(wanted: Language): void {
    if (wanted === language) return;
    write(LANGUAGE, wanted === 'en' ? null : wanted);
    window.location.reload();
  }

  #apply(): void {
    const root = document.documentElement;
    this.shown = this.theme === 'system' ? (darkSystem.matches ? 'dark' : 'light') : this.theme;
    root.dataset.theme = this.shown;
    if (this.contrast) root.dataset.contrast = 'more';
    else delete root.dataset.contrast;
  }
}

export const display = new Display();
