import { bundledScripts, bundleScripts } from '../../bundle.base.js';

const scripts = {
  main: 'src/main.ts',
  'ctrl-c-twice': 'src/testing/ctrl-c-twice.ts',
  'full-disk': 'src/testing/full-disk.ts',
  'mpi-thread': '../cluster/src/mpi-thread.ts',
  'decode-worker': '../data/src/decode-worker.ts',
  'shard-process': '../data/src/shard-process.ts',
  'trial-child': '../tensor/src/trial-child.ts',
};

export default bundledScripts(import.meta.url, scripts);

/** The same scripts for a program that is not a test, such as a soak. */
export const bundleCommand = () => bundleScripts(import.meta.url, scripts);
