import { bundledScripts } from '../../bundle.base.js';

export default bundledScripts(import.meta.url, {
  'decode-worker': 'src/decode-worker.ts',
  'shard-process': 'src/shard-process.ts',
  'prepared/testing-decode-worker': 'src/prepared/testing-decode-worker.ts',
  'testing-process': 'src/prepare/testing-process.ts',
  'open-prepared': 'src/prepared/open-prepared.ts',
});
