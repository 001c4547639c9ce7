import { type PrepareOptions, prepareDataset } from './prepare.js';

// A preparation in a process of its own, for tests that kill it; it tells how it gets on.
const options = JSON.parse(process.argv[2]!) as PrepareOptions;
await prepareDataset({ ...options, onEvent: (event) => process.send?.(event) });
process.disconnect?.();
