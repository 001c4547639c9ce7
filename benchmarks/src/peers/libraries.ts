import type { Library } from './library.js';

/** The libraries to compare, loaded only when they run, because each needs the process for itself. */
export const libraries: Readonly<Record<string, () => Promise<Library>>> = {
  alex: async () => (await import('./alex.js')).alex,
  'jax-js': async () => (await import('./jax.js')).jax,
  tfjs: async () => (await import('./tfjs.js')).tfjs,
};

export const peerNames: readonly string[] = Object.keys(libraries).filter((name) => name !== 'alex');
