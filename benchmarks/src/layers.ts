import { availableParallelism } from 'node:os';
import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import {
  createProgram,
  createTensor,
  disposeTensor,
  type Gpu,
  type Layer,
  type Recorder,
  type Shape,
} from '@alex/tensor';
import type { Roofline } from '@alex/tensor/kernels';
import { type Direction, directionOf, directions } from './directions.js';
import { type Result, timesOf } from './report.js';

/*
 * AlexNet's layers with products (one column wide, grouped) alone, each direction separately.
 *
 * Software drivers use every core, and other work on the machine increases wall-clock times. Therefore, results also have the
 * CPU time of the process's threads, divided by the number of cores.
 */

const layers: readonly (readonly [Layer, image: Shape])[] = [
  [conv2d({ name: 'conv1', filters: 96, kernel: 11, stride: 4 }), [3, 227, 227]],
  [conv2d({ name: 'conv2', filters: 256, kernel: 5, padding: 2, groups: 2 }), [96, 27, 27]],
  [conv2d({ name: 'conv3', filters: 384, kernel: 3, padding: 1 }), [256, 13, 13]],
  [conv2d({ name: 'conv4', filters: 384, kernel: 3, padding: 1, groups: 2 }), [384, 13, 13]],
  [conv2d({ name: 'conv5', filters: 256, kernel: 3, padding: 1, groups: 2 }), [384, 13, 13]],
  [dense({ name: 'fc6', units: 4096 }), [9216]],
  [dense({ name: 'fc8', units: 1000 }), [4096]],
];

/** Keeps only the dispatches of one direction. */
function only(recorder: Recorder, layer: string, direction: Direction): Recorder {
  return {
    gpu: recorder.gpu,
    tensor: recorder.tensor,
    activation: recorder.activation,
    dispatch(dispatch) {
      if (directionOf(dispatch.label, layer) === direction) recorder.dispatch(dispatch);
    },
    send: recorder.send,
    receive: recorder.receive,
  };
}

interface Times {
  readonly wall: number[];
  /** The fastest. */
  processor: number;
}

async function timed(repeats: number, work: () => Promise<void>): Promise<Times> {
  await work();
  const times: Times = { wall: [], processor: Infinity };
  for (let repeat = 0; repeat < repeats; repeat++) {
    const [before, start] = [process.cpuUsage(), performance.now()];
    await work();
    times.wall.push(performance.now() - start);
    const { user, system } = process.cpuUsage(before);
    times.processor = Math.min(times.processor, (user + system) / 1000 / availableParallelism());
  }
  return times;
}

export interface LayersOptions {
  readonly batch: number;
  readonly repeats: number;
}

/** Times each direction of each layer with products; `onResult` is called for each result. */
export async function measureLayers(
  gpu: Gpu,
  { batch, repeats }: LayersOptions,
  roofline: Roofline,
  onResult: (result: Result) => void = () => undefined,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const [layer, image] of layers) {
    const shape = [batch, ...image];
    const multiplyAdds = layer.multiplyAdds(shape) * batch;
    for (const direction of directions) {
      const { wall, processor } = await measureDirection(gpu, layer, shape, direction, repeats);
      const times = timesOf(wall);
      const rate = multiplyAdds / (times.medianMs / 1000);
      const share = rate / roofline.multiplyAddsPerSecond;
      results.push({
        name: `layers/${layer.name}/${direction}`,
        adapter: gpu.description.name,
        ...times,
        rate,
        unit: 'multiply-adds/s',
        rooflineShare: share,
        multiplyAddShare: share,
        boundBy: 'multiply-adds',
        processorMs: processor,
      });
      onResult(results.at(-1)!);
    }
  }
  return results;
}

async function measureDirection(
  gpu: Gpu,
  layer: Layer,
  shape: Shape,
  direction: Direction,
  repeats: number,
): Promise<Times> {
  const make = (label: string, size: Shape) => createTensor(gpu, label, size);
  const input = make('input', shape);
  const outputGradient = make('output gradient', layer.outputShape(shape));
  const parameters = Object.fromEntries(layer.parameters(shape).map(({ name, shape }) => [name, make(name, shape)]));
  const program = createProgram(gpu, (recorder) => {
    const part = only(recorder, layer.name, direction);
    const forward = layer.forward(part, { input, parameters, training: true });
    layer.backward(part, { ...forward, input, parameters, outputGradient, needsInputGradient: true });
  });
  try {
    return await timed(repeats, async () => {
      await program.run();
      await gpu.finished();
    });
  } finally {
    program.dispose();
    for (const tensor of [input, outputGradient, ...Object.values(parameters)]) disposeTensor(gpu, tensor);
  }
}
