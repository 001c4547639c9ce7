import { findAdapters } from './browser-adapters.js';
import { database } from './database.js';
import { page } from './page.js';
import type { Platform } from './platform.js';

/** A page or a worker of a browser: its WebGPU, its database, no processes. */
export const platform: Platform = {
  findAdapters,
  // Promises are settled by events. So no step waits for a timer, which browsers slow down in hidden tabs.
  pollsWhilePending: false,
  cores: () => page.navigator?.hardwareConcurrency ?? 1,
  // The browser knows, and refuses what is too much.
  memoryBytes: () => Infinity,
  // The browser destroys the devices of a page that is closed.
  atExit: () => undefined,
  notAtExit: () => undefined,
  variable: () => undefined,
  startProcess: undefined,
  hasFiles: false,
  texts: database,
};
