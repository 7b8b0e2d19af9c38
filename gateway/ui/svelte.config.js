// Svelte 5 in runes mode everywhere, so that no component mixes the two reactivity models.
export default { compilerOptions: { runes: true } };
