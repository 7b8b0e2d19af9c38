// Builds the unit tests for node:test, so that they need no test runner of their own.
import { readdirSync } from 'node:fs';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

const entries = readdirSync(new URL('./test', import.meta.url)).filter((name) => name.endsWith('.test.ts'));

export default defineConfig({
  plugins: [svelte()],
  publicDir: false,
  build: {
    ssr: true,
    outDir: '.test',
    emptyOutDir: true,
    rollupOptions: { input: entries.map((name) => `test/${name}`) },
  },
});
