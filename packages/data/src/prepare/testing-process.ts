import { type PrepareOptions, prepareDataset } from './prepare.js';

// A preparation in a separate process, for tests that kill it; it reports its progress.
const options = JSON.parse(process.argv[2]!) as PrepareOptions;
await prepareDataset({ ...options, onEvent: (event) => process.send?.(event) });
process.disconnect?.();
