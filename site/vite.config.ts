import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const page = (path: string) => fileURLToPath(new URL(`pages/${path}/index.html`, import.meta.url));
const conditions = ['@alex/source', 'browser', 'module', 'import'];

/** The pages with programs; `build.mjs` adds the documentation. Addresses are relative: the site may lie in any folder. */
export default defineConfig({
  root: 'pages',
  base: './',
  resolve: { conditions },
  worker: { format: 'es' },
  build: {
    outDir: '../dist',
    emptyOutDir: false,
    target: 'es2023',
    rollupOptions: { input: [page('.'), page('train'), page('classify')] },
  },
});
