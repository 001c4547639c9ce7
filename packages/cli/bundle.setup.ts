import { bundledScripts } from '../../bundle.base.js';

export default bundledScripts(import.meta.url, {
  main: 'src/main.ts',
  'ctrl-c-twice': 'src/testing/ctrl-c-twice.ts',
  'full-disk': 'src/testing/full-disk.ts',
  'mpi-thread': '../cluster/src/mpi-thread.ts',
  'decode-worker': '../data/src/decode-worker.ts',
  'shard-process': '../data/src/shard-process.ts',
  'trial-child': '../tensor/src/trial-child.ts',
});
