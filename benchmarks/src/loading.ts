import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createAugmenter } from '@alex/augment';
import { batches, type Dataset, openPrepared, prepareDataset } from '@alex/data';
import { alexnet } from '@alex/model-alexnet';
import { place } from '@alex/multi-gpu';
import type { Gpu } from '@alex/tensor';
import sharp from 'sharp';
import { extract } from 'tar-stream';
import { type Result, timesOf } from './report.js';
import { noise } from './values.js';

export interface LoadingOptions {
  /** A folder of prepared images. Default: generated images. */
  readonly data?: string | undefined;
  readonly repeats: number;
}

/** Images per repeat for reading, and per batch for training. */
const imagesAtMost = 512;
const batch = 32;
/** The trained network: the faster a step, the harder it is to load its images in time. */
const model = { variant: 'small', inputSize: 64 } as const;

/**
 * Times the reading of prepared images, compared with only decoding the same files with the same parallelism, and the
 * fraction of a training step spent waiting for images.
 *
 * Reading is compared by the CPU time of the process's threads, which other work on the machine affects less.
 */
export async function measureLoading(
  gpu: Gpu,
  { data, repeats }: LoadingOptions,
  onResult: (result: Result) => void,
): Promise<Result[]> {
  const scratch = await mkdtemp(join(tmpdir(), 'alex-loading-'));
  try {
    const directory = data ?? (await preparedDrawings(scratch));
    const results: Result[] = [];
    const add = (result: Result) => {
      results.push(result);
      onResult(result);
    };
    // As in decoding for training: whole images in parallel, not parts of one, and none twice.
    sharp.concurrency(1);
    sharp.cache(false);
    const files = await encodedImages(directory);
    for (const workers of [1, 2]) {
      const { train } = await openPrepared(directory, { workers, cacheBytes: 0 });
      const read = async () => {
        const order = { batch, lastBatch: 'keep', shuffle: false, ahead: 2 } as const;
        let left = files.length;
        for await (const { images } of batches(train, order)) {
          left -= images.length;
          if (left <= 0) break;
        }
      };
      const [alone, loaded] = await inTurns(repeats, [() => decodeAll(files, workers), read]);
      const result = (name: string, times: Times) => ({
        name: `loading/${name}, ${workers} at a time`,
        adapter: gpu.description.name,
        ...times,
        rate: files.length / (times.medianMs / 1000),
        unit: 'images/s' as const,
        rooflineShare: null,
      });
      add(result('decoder alone', alone!));
      add({ ...result('loader', loaded!), share: alone!.processorMs / loaded!.processorMs });
    }
    add(await measureWaiting(gpu, await openPrepared(directory, { cacheBytes: 0 }), repeats));
    return results;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

type Times = ReturnType<typeof timesOf> & { readonly processorMs: number };

/**
 * Repeats several workloads in turns, so that other work on the machine affects all of them; the first repeat does not
 * count.
 */
async function inTurns(repeats: number, works: readonly (() => Promise<void>)[]): Promise<Times[]> {
  const all = works.map(() => ({ wall: [] as number[], processor: [] as number[] }));
  for (let time = -1; time < repeats; time++) {
    for (const [i, work] of works.entries()) {
      const before = process.cpuUsage();
      const start = performance.now();
      await work();
      if (time < 0) continue;
      all[i]!.wall.push(performance.now() - start);
      const { user, system } = process.cpuUsage(before);
      all[i]!.processor.push((user + system) / 1000);
    }
  }
  return all.map(({ wall, processor }) => ({ ...timesOf(wall), processorMs: Math.min(...processor) }));
}

async function decodeAll(files: readonly Buffer[], atATime: number): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < files.length) await sharp(files[next++]!).raw().toBuffer();
  };
  await Promise.all(Array.from({ length: atATime }, lane));
}

/** Steps of a small network on crops of the images. Waiting time is time in which the adapter is idle. */
async function measureWaiting(gpu: Gpu, dataset: Dataset, repeats: number): Promise<Result> {
  const { train, classes, height, width, channels, statistics } = dataset;
  const description = alexnet({ ...model, classes: classes.length, channels });
  const network = place(description, [gpu], { batch });
  const augmenter = createAugmenter(gpu, {
    output: network.input,
    source: { height, width, channels },
    training: { crop: 'random', mirror: true },
    mean: statistics!.meanImage,
  });
  const steps: number[] = [];
  let waited = 0;
  try {
    const wanted = 1 + 4 * repeats;
    let asked = performance.now();
    for await (const { pixels, images, labels, epoch } of batches(train, {
      batch,
      epochs: Number.POSITIVE_INFINITY,
    })) {
      const came = performance.now();
      await augmenter.run({ pixels, images, training: true, seed: 0, epoch });
      await network.step(network.input, labels);
      const done = performance.now();
      // The first step compiles and starts threads.
      if (steps.push(done - asked) > 1) waited += came - asked;
      if (steps.length === wanted) break;
      asked = performance.now();
    }
  } finally {
    augmenter.dispose();
    network.dispose();
  }
  const counted = steps.slice(1);
  const times = timesOf(counted);
  return {
    name: `loading/step of ${model.variant} at ${model.inputSize}, waiting`,
    adapter: gpu.description.name,
    ...times,
    rate: batch / (times.medianMs / 1000),
    unit: 'images/s',
    rooflineShare: null,
    share: waited / counted.reduce((sum, step) => sum + step, 0),
  };
}

/** The files within the first shards of a prepared folder. */
async function encodedImages(directory: string): Promise<Buffer[]> {
  const files: Buffer[] = [];
  const shards = (await readdir(directory)).filter((name) => /^train-\d+\.tar$/.test(name)).sort();
  for (const shard of shards) {
    const archive = extract();
    const reading = pipeline(createReadStream(join(directory, shard)), archive);
    for await (const entry of archive) {
      const chunks: Buffer[] = [];
      for await (const chunk of entry) chunks.push(chunk as Buffer);
      if (/\.(jpg|png)$/.test(entry.header.name)) files.push(Buffer.concat(chunks));
    }
    await reading;
    if (files.length >= imagesAtMost) break;
  }
  return files.slice(0, imagesAtMost);
}

/** Images of 256 x 256 with smooth and sharp parts, of about the size of photographs as JPEG. */
async function preparedDrawings(scratch: string): Promise<string> {
  const from = join(scratch, 'images');
  const side = 256;
  const grain = noise(side * side * 3, 12);
  for (let i = 0; i < imagesAtMost + 2 * batch; i++) {
    const folder = join(from, i < imagesAtMost ? 'train' : 'val', i % 2 === 0 ? 'even' : 'odd');
    const pixels = Uint8Array.from({ length: side * side * 3 }, (_, at) => {
      const [x, y] = [Math.floor(at / 3) % side, Math.floor(at / 3 / side)];
      const wave = 90 * Math.sin((x * (1 + (i % 7))) / 40 + (at % 3)) * Math.cos((y * (1 + (i % 5))) / 30 + i);
      return Math.min(255, Math.max(0, 128 + wave + grain[(at + 768 * i) % grain.length]!));
    });
    await mkdir(folder, { recursive: true });
    const file = await sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
      .jpeg({ quality: 95 })
      .toBuffer();
    await writeFile(join(folder, `${i}.jpg`), file);
  }
  const to = join(scratch, 'prepared');
  await prepareDataset({ source: 'folder', from, to });
  return to;
}
