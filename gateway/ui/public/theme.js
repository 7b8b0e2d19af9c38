// Sets theme, contrast and language on <html> before the first paint; runs as a blocking script in <head>.
// Not the place where they are changed: that is src/lib/display.svelte.ts, which writes the same keys.
(() => {
  const root = document.documentElement;
  const read = (key) => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null; // a private window without storage: the system setting decides
    }
  };
  const theme = read('sitewarden-theme');
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = theme === 'dark' || theme === 'light' ? theme : dark ? 'dark' : 'light';
  if (read('sitewarden-contrast') === 'more') root.dataset.contrast = 'more';
  if (read('sitewarden-language') === 'de') root.lang = 'de';
})();
