import type { Library } from './library.js';

/** The libraries that can be compared, loaded only where they run: each wants the process for itself. */
export const libraries: Readonly<Record<string, () => Promise<Library>>> = {
  alex: async () => (await import('./alex.js')).alex,
  'jax-js': async () => (await import('./jax.js')).jax,
  tfjs: async () => (await import('./tfjs.js')).tfjs,
};

export const peerNames: readonly string[] = Object.keys(libraries).filter((name) => name !== 'alex');
