/**
 * Places a network that exceeds the driver's memory, because the process may not grow enough, and prints the error, the
 * memory still in use on the adapter, and the loss of a step of a small network afterwards.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dense } from '@alex/layers-dense';
import { describeNetwork, openGpu } from '@alex/tensor';
import { place } from './place.js';

const adapter = process.env['ALEX_ADAPTER'];
const gpu = await openGpu(adapter ? { adapter } : {});

/** Weights of a quarter and of half a gibibyte. */
const wide = [2 ** 14, 2 ** 13, 10];
const networkOf = (name: string, units: readonly number[]) =>
  describeNetwork({
    name,
    input: [1, 64, 64],
    layers: units.map((count, index) => dense({ name: `fc${index + 1}`, units: count })),
  });

const limitTo = (bytes: number | 'unlimited') => execFileSync('prlimit', ['--pid', `${process.pid}`, `--as=${bytes}:`]);
const pages = Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[0]);
limitTo(pages * 4096 + 2 ** 29 + 2 ** 28 - 2 ** 24);
const error = await gpu
  .validated('wide', () => place(networkOf('wide', wide), [gpu], { batch: 2 }))
  .then(
    () => undefined,
    (reason: Error) => reason,
  );
limitTo('unlimited');

const left = gpu.liveBuffers;
const little = place(networkOf('little', [10]), [gpu], { batch: 1 });
const images = { shape: [1, 1, 64, 64], data: new Float32Array(64 * 64) };
const { loss } = await little.step(images, [3]);
process.stdout.write(JSON.stringify({ name: error?.name, message: error?.message, left, loss }));
gpu.dispose();
