import { fork } from 'node:child_process';
import { availableParallelism, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { ownScript } from '../own-script.js';
import { files } from './files.js';
import { findAdapters } from './node-adapters.js';
import type { Platform } from './platform.js';

/** Node: WebGPU by Dawn, files, processes. */
export const platform: Platform = {
  findAdapters,
  pollsWhilePending: true,
  cores: availableParallelism,
  memoryBytes() {
    // 0, or more than the machine has, if the process is not constrained.
    const constrained = process.constrainedMemory();
    return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  },
  atExit: (work) => void process.on('exit', work),
  notAtExit: (work) => void process.off('exit', work),
  variable: (name) => process.env[name],
  startProcess(script) {
    const own = ownScript('trial-child');
    const child = fork(fileURLToPath(script ?? own.url), {
      execArgv: own.execArgv,
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    // Errors between two attempts do not matter.
    return child.on('error', () => undefined);
  },
  hasFiles: true,
  texts: files,
};
