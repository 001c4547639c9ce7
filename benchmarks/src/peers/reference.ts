import type { HostTensor } from '@alex/tensor';
import { elementCount } from '@alex/tensor/kernels';
import {
  type ConvolutionWorkload,
  convolutionOperands,
  denseOperands,
  outputSizeOf,
  productOperands,
  type Workload,
} from './workloads.js';

/** Number of values of each outcome to compare. */
const samples = 7;

/** Positions spread over `[0, length)`, always the same. */
function placesIn(length: number): number[] {
  return Array.from({ length: samples }, (_, index) => Math.floor(((index + 0.37) / samples) * length));
}

/** The values of outcomes to compare. Losses are few, so all of them are. */
export function sampleOf(workload: Workload, outcome: readonly HostTensor[]): number[] {
  return outcome.flatMap(({ data }) =>
    workload.kind === 'step' ? [...data] : placesIn(data.length).map((place) => data[place]!),
  );
}

/** The expected result of `sampleOf`, computed in float64; a whole step would be too much. */
export function expectedSample(workload: Exclude<Workload, { kind: 'step' }>): number[] {
  switch (workload.kind) {
    case 'product': {
      const { rows, depth, columns } = workload;
      const { a, b } = productOperands(workload);
      return placesIn(rows * columns).map((place) => {
        const [row, column] = [Math.floor(place / columns), place % columns];
        return sum(depth, (k) => a.data[row * depth + k]! * b.data[k * columns + column]!);
      });
    }
    case 'dense': {
      const { batch, inputs, units } = workload;
      const { images, weights } = denseOperands(workload);
      return placesIn(batch * units).map((place) => {
        const [image, unit] = [Math.floor(place / units), place % units];
        return sum(inputs, (k) => images.data[image * inputs + k]! * weights.data[unit * inputs + k]!);
      });
    }
    case 'convolution':
      return expectedConvolution(workload);
  }
}

function expectedConvolution(workload: ConvolutionWorkload): number[] {
  const { batch, kernel, padding, groups } = workload;
  const { images, filters, outputGradient } = convolutionOperands(workload);
  const outputSize = outputSizeOf(workload);
  const image = reader(images);
  const filter = reader(filters);
  const gradient = reader(outputGradient);
  const groupChannels = workload.channels / groups;
  const groupFilters = workload.filters / groups;
  const output = places(outputGradient).map(([n, o, y, x]) => {
    const first = Math.floor(o! / groupFilters) * groupChannels;
    return sums([groupChannels, kernel, kernel], ([c, ky, kx]) => {
      return image(n!, first + c!, y! + ky! - padding, x! + kx! - padding) * filter(o!, c!, ky!, kx!);
    });
  });
  if (workload.directions === 'forward') return output;
  const byImages = places(images).map(([n, c, y, x]) => {
    const group = Math.floor(c! / groupChannels);
    return sums([groupFilters, kernel, kernel], ([o, ky, kx]) => {
      const number = group * groupFilters + o!;
      return (
        gradient(n!, number, y! + padding - ky!, x! + padding - kx!) * filter(number, c! % groupChannels, ky!, kx!)
      );
    });
  });
  const byFilters = places(filters).map(([o, c, ky, kx]) => {
    const channel = Math.floor(o! / groupFilters) * groupChannels + c!;
    return sums([batch, outputSize, outputSize], ([n, y, x]) => {
      return gradient(n!, o!, y!, x!) * image(n!, channel, y! + ky! - padding, x! + kx! - padding);
    });
  });
  return [...output, ...byImages, ...byFilters];
}

function sum(count: number, term: (index: number) => number): number {
  let total = 0;
  for (let index = 0; index < count; index++) total += term(index);
  return total;
}

function sums([a, b, c]: [number, number, number], term: (indices: [number, number, number]) => number): number {
  return sum(a, (i) => sum(b, (j) => sum(c, (k) => term([i, j, k]))));
}

/** Zero outside the maps. */
function reader({ shape, data }: HostTensor): (n: number, c: number, y: number, x: number) => number {
  const [, channels, height, width] = shape as [number, number, number, number];
  return (n, c, y, x) =>
    y < 0 || x < 0 || y >= height || x >= width ? 0 : data[((n * channels + c) * height + y) * width + x]!;
}

/** The indices of the sampled positions. */
function places({ shape }: HostTensor): number[][] {
  return placesIn(elementCount(shape)).map((place) => {
    let rest = place;
    return shape
      .toReversed()
      .map((size) => {
        const index = rest % size;
        rest = Math.floor(rest / size);
        return index;
      })
      .toReversed();
  });
}
