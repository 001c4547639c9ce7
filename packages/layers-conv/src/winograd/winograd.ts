import { ConfigError, type Recorder, type Tensor } from '@alex/tensor';
import { type Epilogue, type LayerBelow, recordProduct, recordRowSums, recordTogether } from '@alex/tensor/kernels';
import { recordBiasGradient } from '../bias-gradient.js';
import type { Geometry } from '../options.js';
import { transpose } from './cook-toom.js';
import { kernelSize, slicesOf, type Tiling, tilingOf, type WinogradTile } from './tiling.js';
import {
  recordPointsToTiles,
  recordPointsToWeights,
  recordTilesToPoints,
  recordWeightsToPoints,
} from './transforms.js';

/** Whether these functions can compute a convolution: 3 x 3 kernels with stride 1. */
export function winogradFits({ kernel, stride }: Pick<Geometry, 'kernel' | 'stride'>): boolean {
  return kernel.every((size) => size === kernelSize) && stride.every((step) => step === 1);
}

/**
 * Records the convolution in tiles: transforms input and weights to points, multiplies matrices at each point, and
 * transforms back.
 */
export function recordWinogradForward(
  recorder: Recorder,
  geometry: Geometry,
  values: {
    readonly input: Tensor;
    readonly weight: Tensor;
    readonly bias: Tensor | undefined;
    readonly epilogue?: Epilogue | undefined;
    readonly output: Tensor;
  },
  tile: WinogradTile,
): void {
  const { name, channels, height, width, filters, outputHeight, outputWidth, padding } = geometry;
  recordCorrelation(recorder, geometry, tile, {
    label: `${name}/forward`,
    over: 'channels',
    weight: values.weight,
    bias: values.bias,
    epilogue: values.epilogue,
    from: { tensor: values.input, maps: channels, height, width },
    to: { tensor: values.output, maps: filters, height: outputHeight, width: outputWidth },
    first: { top: -padding.top, left: -padding.left },
  });
}

/** Records the input gradient: the convolution of the output gradient with the weights rotated by 180 degrees. */
export function recordWinogradInputGradient(
  recorder: Recorder,
  geometry: Geometry,
  values: {
    readonly outputGradient: Tensor;
    readonly weight: Tensor;
    readonly inputGradient: Tensor;
    readonly below?: LayerBelow;
  },
  tile: WinogradTile,
): void {
  const { name, channels, height, width, filters, outputHeight, outputWidth, padding } = geometry;
  recordCorrelation(recorder, geometry, tile, {
    label: `${name}/inputGradient`,
    over: 'filters',
    weight: values.weight,
    below: values.below,
    from: { tensor: values.outputGradient, maps: filters, height: outputHeight, width: outputWidth },
    to: { tensor: values.inputGradient, maps: channels, height, width },
    first: { top: padding.top - (kernelSize - 1), left: padding.left - (kernelSize - 1) },
  });
}

/**
 * Records the weight gradient. The convolution is linear in the weights, so its gradient uses the transposed matrices:
 * it transforms input and output gradient to points, computes a product over all tiles and images at each point, and
 * transforms back.
 */
export function recordWinogradWeightGradient(
  recorder: Recorder,
  geometry: Geometry,
  values: {
    readonly input: Tensor;
    readonly outputGradient: Tensor;
    readonly weightGradient: Tensor;
    readonly biasGradient?: Tensor | undefined;
  },
  tile: WinogradTile,
): void {
  checkFits(geometry);
  const { name, batch, channels, height, width, filters, outputHeight, outputWidth, padding } = geometry;
  const { groups, groupChannels, groupFilters } = geometry;
  const label = `${name}/weightGradient`;
  const tiling = tilingOf(tile, outputHeight, outputWidth, batch);
  const { input: inputMatrix, output: outputMatrix, size } = tiling.matrices;
  const sums = recorder.tensor(`${label}/points`, [size ** 2, filters, groupChannels]);
  const slices = slicesOf(recorder.gpu, tiling, Math.max(channels, filters));
  slices.forEach((slice, index) => {
    const { a, b } = recordTogether(recorder, (recorder) => {
      const b = recordTilesToPoints(recorder, {
        label: `${label}/inputToPoints`,
        tiling,
        slice,
        matrix: inputMatrix,
        first: { top: -padding.top, left: -padding.left },
        featureMaps: { tensor: values.input, maps: channels, height, width },
      });
      const a = recordTilesToPoints(recorder, {
        label: `${label}/gradientToPoints`,
        tiling,
        slice,
        matrix: transpose(outputMatrix),
        first: { top: 0, left: 0 },
        featureMaps: { tensor: values.outputGradient, maps: filters, height: outputHeight, width: outputWidth },
      });
      return { a, b };
    });
    recordProduct(recorder, {
      label: `${label}/products`,
      a,
      b,
      output: sums,
      m: groupFilters,
      n: groupChannels,
      k: slice.length,
      transposeB: true,
      batches: size ** 2 * groups,
      accumulate: index > 0,
    });
    if (values.biasGradient && slices.length === 1) {
      recordBiasFromPoints(recorder, tiling, { points: a, ...values, biasGradient: values.biasGradient });
    }
  });
  if (values.biasGradient && slices.length > 1) {
    recordBiasGradient(recorder, values.outputGradient, values.biasGradient);
  }
  recordPointsToWeights(recorder, {
    label: `${label}/fromPoints`,
    tiling,
    points: sums,
    weightGradient: values.weightGradient,
  });
}

/**
 * Records the gradient of the biases: at 1, a polynomial is the sum of its coefficients, so it is enough to sum the transformed
 * tiles of the output's gradient at that point.
 */
function recordBiasFromPoints(
  recorder: Recorder,
  { matrices }: Tiling,
  { points, outputGradient, biasGradient }: Record<'points' | 'outputGradient' | 'biasGradient', Tensor>,
): void {
  const { output, size } = matrices;
  const one = transpose(output).findIndex((powers) => powers.every((power) => power === 1));
  const rows = biasGradient.elements;
  const columns = points.elements / size ** 2 / rows;
  const first = (one * size + one) * rows * columns;
  // Only these points are bound, if a binding may start there.
  if ((4 * first) % recorder.gpu.limits.minStorageBufferOffsetAlignment !== 0) {
    recordBiasGradient(recorder, outputGradient, biasGradient);
    return;
  }
  recordRowSums(recorder, { label: biasGradient.label, input: points, first, output: biasGradient, rows, columns });
}

/** A correlation with stride 1, for any operands. */
function recordCorrelation(
  recorder: Recorder,
  geometry: Geometry,
  tile: WinogradTile,
  options: {
    readonly label: string;
    readonly over: 'channels' | 'filters';
    readonly weight: Tensor;
    readonly bias?: Tensor | undefined;
    readonly epilogue?: Epilogue | undefined;
    readonly below?: LayerBelow | undefined;
    readonly from: { readonly tensor: Tensor; readonly maps: number; readonly height: number; readonly width: number };
    readonly to: { readonly tensor: Tensor; readonly maps: number; readonly height: number; readonly width: number };
    readonly first: { readonly top: number; readonly left: number };
  },
): void {
  checkFits(geometry);
  const { batch, groups, groupChannels, groupFilters } = geometry;
  const { label, over, weight, bias, epilogue, below, from, to, first } = options;
  const tiling = tilingOf(tile, to.height, to.width, batch);
  const { input: matrix, size } = tiling.matrices;
  let weights: Tensor | undefined;
  for (const slice of slicesOf(recorder.gpu, tiling, Math.max(from.maps, to.maps))) {
    const { a, b } = recordTogether(recorder, (recorder) => {
      const options = { label: `${label}/weightsToPoints`, tiling, over, weight, groupFilters, groupChannels };
      weights ??= recordWeightsToPoints(recorder, options);
      const b = recordTilesToPoints(recorder, {
        label: `${label}/toPoints`,
        tiling,
        slice,
        matrix,
        first,
        featureMaps: from,
      });
      return { a: weights, b };
    });
    const points = recorder.tensor(`${label}/products`, [size ** 2, to.maps, slice.length]);
    recordProduct(recorder, {
      label: `${label}/products`,
      a,
      b,
      output: points,
      m: to.maps / groups,
      n: slice.length,
      k: from.maps / groups,
      transposeA: true,
      batches: size ** 2 * groups,
    });
    recordPointsToTiles(recorder, {
      label: `${label}/fromPoints`,
      tiling,
      slice,
      points,
      featureMaps: to,
      bias,
      epilogue,
      below,
    });
  }
}

function checkFits(geometry: Geometry): void {
  if (winogradFits(geometry)) return;
  const { name, kernel, stride } = geometry;
  throw new ConfigError(
    `${name}: Winograd's algorithm needs a kernel of 3 x 3 and stride 1, got ${kernel.join(' x ')} and ` +
      `${stride.join(' x ')}; use the direct convolution`,
  );
}
