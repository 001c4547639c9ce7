import { open } from 'node:fs/promises';

/**
 * Loaded before a command: the disk has room for this many more bytes written through file handles, then it is full. A
 * limit of the operating system would do the same without this module, but software drivers crash under it.
 */
let room = 64 * 1024;

type Write = (data: { readonly length: number }, ...rest: unknown[]) => Promise<unknown>;

const handle = await open(process.execPath);
const prototype = Object.getPrototypeOf(handle) as { write: Write };
await handle.close();
const { write } = prototype;

prototype.write = function (data, ...rest) {
  room -= data.length;
  if (room < 0) return Promise.reject(Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' }));
  return write.call(this, data, ...rest);
};
