// Runs in a page: what a program sees if something is missing or fails.
import { relu } from '@alex/activations';
import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { localResponseNorm } from '@alex/lrn';
import { place } from '@alex/multi-gpu';
import { maxPool } from '@alex/pool';
import {
  AdapterError,
  AdapterLostError,
  ConfigError,
  describeNetwork,
  listAdapters,
  MemoryError,
  openGpu,
} from '@alex/tensor';
import { exportTunings, importTunings } from '@alex/tensor/kernels';
import { randomTensor } from '@alex/tensor/testing';

const kinds = { AdapterError, AdapterLostError, ConfigError, MemoryError };
const description = describeNetwork({
  name: 'tiny',
  input: [3, 9, 9],
  layers: [
    conv2d({ name: 'conv', filters: 8, kernel: 3 }),
    relu({ name: 'relu' }),
    localResponseNorm({ name: 'norm' }),
    maxPool({ name: 'pool', size: 3, stride: 2 }),
    dense({ name: 'output', units: 4 }),
  ],
});
const images = randomTensor([2, 3, 9, 9], 1);
const placed = (gpu) => place(description, [gpu], { batch: 2, seed: 1 });

/** The message of the error of this kind that a call throws. */
async function thrown(kind, call) {
  try {
    await call();
  } catch (error) {
    if (error instanceof kinds[kind] && error.name === kind) return error.message;
    throw error;
  }
  throw new Error(`no ${kind} was thrown`);
}

/** Without an adapter: their list, and what opening one says. */
const absent = async () => ({ adapters: await listAdapters(), message: await thrown('AdapterError', () => openGpu()) });

/** A device is lost during training, and opened again. */
async function lost() {
  const gpu = await openGpu();
  const network = placed(gpu);
  const { loss } = await network.step(images, [0, 1]);
  gpu.device.destroy();
  const told = await gpu.lost;
  const step = await thrown('AdapterLostError', () => network.step(images, [0, 1]));
  const again = await openGpu();
  const other = await placed(again).step(images, [0, 1]);
  return { told: told.name, step, sameLoss: other.loss === loss };
}

/** The browser grants no more than the limits that every adapter has. */
async function small() {
  const { requestDevice } = GPUAdapter.prototype;
  const full = await (await placed(await openGpu()).step(images, [0, 1])).loss;
  GPUAdapter.prototype.requestDevice = function ({ label, requiredFeatures }) {
    return requestDevice.call(this, { label, requiredFeatures });
  };
  const gpu = await openGpu();
  const { loss } = await placed(gpu).step(images, [0, 1]);
  const buffer = () => gpu.createBuffer({ label: 'large', size: gpu.limits.maxBufferSize + 4, usage: 0x80 });
  const granted = {
    bindingBytes: gpu.bindingBytes,
    difference: Math.abs(loss - full),
    message: await thrown('MemoryError', buffer),
  };
  GPUAdapter.prototype.requestDevice = () => Promise.reject(new Error('limits'));
  return { ...granted, refused: await thrown('AdapterError', () => openGpu()) };
}

/** What needs files or an environment. */
async function refused() {
  const gpu = await openGpu();
  return Promise.all([
    thrown('ConfigError', () => openGpu({ environment: { DRI_PRIME: '1' } })),
    thrown('ConfigError', () => exportTunings('file', gpu)),
    thrown('ConfigError', () => importTunings('file', gpu)),
  ]);
}

export default ({ state }) => ({ absent, lost, small, refused })[state]();
