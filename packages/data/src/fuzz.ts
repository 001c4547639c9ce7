import { fuzzIndex, fuzzManifest, fuzzMat, fuzzTar } from './fuzzing.js';
import { matFile, synsets } from './prepare/testing.js';

// Feeds this many damaged files to each reader: `npm run fuzz -- INPUTS [SEED]`. Ends with an error at the first input
// that is neither read nor refused, or takes too long.
const [inputs = 100_000, seed = 1] = process.argv.slice(2).map(Number);
const readers = {
  tar: fuzzTar,
  index: fuzzIndex,
  'dataset.json': fuzzManifest,
  'meta.mat': (fuzzing: { inputs: number; seed: number }) => fuzzMat(fuzzing, matFile(synsets, { compressed: false })),
};
for (const [name, fuzz] of Object.entries(readers)) {
  const { read, refused } = await fuzz({ inputs, seed });
  console.log(`${name}: ${inputs} inputs, ${read} read, ${refused} refused`);
}
