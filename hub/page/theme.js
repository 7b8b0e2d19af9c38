// Sets the theme before the first paint: the system's, or the one that was chosen here.
{
  let chosen = null;
  try { chosen = localStorage.getItem('theme'); } catch { /* storage is off: the system's theme */ }
  const dark = chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
}
