import type { GPU } from './webgpu.js';

/** The part of IndexedDB's request that Alex uses. */
export interface DatabaseRequest<Result> {
  readonly result: Result;
  readonly error: Error | null;
  onsuccess: (() => void) | null;
  onerror: (() => void) | null;
  onblocked?: (() => void) | null;
  onupgradeneeded?: (() => void) | null;
}

export interface Database {
  createObjectStore(name: string): unknown;
  transaction(
    store: string,
    mode: 'readonly' | 'readwrite',
  ): {
    readonly error: Error | null;
    oncomplete: (() => void) | null;
    onabort: (() => void) | null;
    objectStore(name: string): {
      get(key: string): DatabaseRequest<unknown>;
      put(value: string, key: string): DatabaseRequest<unknown>;
    };
  };
  close(): void;
}

/**
 * The globals of pages and their workers that Alex uses, all of which may be missing. TypeScript has them in its DOM
 * library only, which would make everything else of a page global as well.
 */
export interface Page {
  readonly navigator?: {
    readonly gpu?: GPU;
    readonly userAgent?: string;
    readonly hardwareConcurrency?: number;
  };
  readonly isSecureContext?: boolean;
  readonly indexedDB?: { open(name: string, version: number): DatabaseRequest<Database> };
}

export const page = globalThis as Page;
