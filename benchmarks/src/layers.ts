import { availableParallelism } from 'node:os';
import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import {
  createProgram,
  createTensor,
  disposeTensor,
  type Gpu,
  type Layer,
  measureRoofline,
  openGpu,
  type Recorder,
  type Shape,
} from '@alex/tensor';

/*
 * Times the product layers of AlexNet (one column wide, grouped) alone, each direction by itself:
 *
 *   npx tsx --conditions=@alex/source benchmarks/src/layers.ts [batch] [repeats]
 *
 * Software drivers work on every core, and other work on the machine slows the clock on the wall: beside it stands the time
 * that the process' threads were at work, divided by the cores. The fastest repeat counts.
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

/** What belongs to a direction, by the labels of its dispatches. */
const directions = {
  forward: /\/(forward|packWeights\/filters)/,
  inputGradient: /\/(inputGradient|packWeights\/channels)/,
  weightGradient: /\/weightGradient/,
};

/** Keeps only dispatches whose label matches. */
function only(recorder: Recorder, label: RegExp): Recorder {
  return {
    gpu: recorder.gpu,
    tensor: recorder.tensor,
    dispatch(dispatch) {
      if (label.test(dispatch.label)) recorder.dispatch(dispatch);
    },
  };
}

async function fastest(repeats: number, cores: number, work: () => Promise<void>) {
  await work();
  let wall = Infinity;
  let busy = Infinity;
  for (let repeat = 0; repeat < repeats; repeat++) {
    const [processor, start] = [process.cpuUsage(), performance.now()];
    await work();
    wall = Math.min(wall, performance.now() - start);
    const { user, system } = process.cpuUsage(processor);
    busy = Math.min(busy, (user + system) / 1000 / cores);
  }
  return { wall, busy };
}

async function measureLayer(gpu: Gpu, layer: Layer, shape: Shape, repeats: number, cores: number): Promise<void> {
  const make = (label: string, size: Shape) => createTensor(gpu, label, size);
  const input = make('input', shape);
  const outputGradient = make('output gradient', layer.outputShape(shape));
  const parameters = Object.fromEntries(layer.parameters(shape).map(({ name, shape }) => [name, make(name, shape)]));
  const multiplyAdds = layer.multiplyAdds(shape) * shape[0]!;
  for (const [direction, label] of Object.entries(directions)) {
    const program = createProgram(gpu, (recorder) => {
      const part = only(recorder, label);
      const forward = layer.forward(part, { input, parameters, training: true });
      layer.backward(part, { ...forward, input, parameters, outputGradient, needsInputGradient: true });
    });
    const { wall, busy } = await fastest(repeats, cores, async () => {
      await program.run();
      await gpu.finished();
    });
    const rate = (milliseconds: number) => ((2 * multiplyAdds) / milliseconds / 1e6).toFixed(1).padStart(6);
    console.log(
      `${layer.name.padEnd(6)} ${direction.padEnd(15)} ${wall.toFixed(1).padStart(8)} ms ${rate(wall)} GFLOP/s` +
        `   at work ${busy.toFixed(1).padStart(8)} ms ${rate(busy)} GFLOP/s`,
    );
    program.dispose();
  }
  for (const tensor of [input, outputGradient, ...Object.values(parameters)]) disposeTensor(gpu, tensor);
}

const [batch = 16, repeats = 5] = process.argv.slice(2).map(Number);
const adapter = process.env['ALEX_ADAPTER'];
const gpu = await openGpu(adapter === undefined ? {} : { adapter });
const { multiplyAddsPerSecond } = await measureRoofline(gpu);
console.log(
  `${gpu.description.name}, ${gpu.description.driver}, ${gpu.subgroupSize ?? 'no'} lanes, batch ${batch}, fastest of ${repeats}; ` +
    `multiply-adds alone: ${((2 * multiplyAddsPerSecond) / 1e9).toFixed(1)} GFLOP/s`,
);
for (const [layer, image] of layers) {
  await measureLayer(gpu, layer, [batch, ...image], repeats, availableParallelism());
}
gpu.dispose();
