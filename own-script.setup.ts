import { inject, vi } from 'vitest';

// Processes and threads that tests start run the scripts of the bundle: see `bundle.base.ts`.
vi.mock('./packages/data/src/own-script.ts', bundledScripts);
vi.mock('./packages/tensor/src/own-script.ts', bundledScripts);

function bundledScripts() {
  return { ownScript: (name: string) => ({ url: new URL(`${inject('bundle')}/${name}.js`), execArgv: [] }) };
}
