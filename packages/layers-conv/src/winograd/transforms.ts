import type { Recorder, Tensor } from '@alex/tensor';
import { type Epilogue, type LayerBelow, recordPerElement, storeAfter, storeGradientAfter } from '@alex/tensor/kernels';
import { type Matrix, transpose } from './cook-toom.js';
import { onBothAxes } from './straight-line.js';
import { kernelSize, placesOf, type Slice, type Tiling } from './tiling.js';

/*
 * Kernels that transform images or weights to the values of their polynomials at pairs of points, and back. Values are stored
 * as `[point][map][place]`, where places are tiles x images, or as `[point][map][map]` for weights. One invocation transforms
 * one tile (of four images if possible). Values at different points are far apart in memory, and neighbouring invocations
 * write whole lines of each.
 */

/** Feature maps of a batch in memory. */
interface FeatureMaps {
  readonly tensor: Tensor;
  readonly maps: number;
  readonly height: number;
  readonly width: number;
}

/** Images that an invocation computes at once, and the names of the functions that access them. */
function widthOf({ batch }: Tiling) {
  return batch % 4 === 0
    ? ({ images: 4, suffix: '4', zero: 'vec4f()' } as const)
    : ({ images: 1, suffix: '', zero: '0.0' } as const);
}

/** WGSL for the tile and image of invocation `i`, which computes one map at one position of the slice. */
function placeOf(tiling: Tiling, slice: Slice, images: number): string {
  return `let map = i / ${slice.length / images}u;
let place = ${slice.first / images}u + i % ${slice.length / images}u;
let image = place % ${tiling.batch / images}u;
let tile = place / ${tiling.batch / images}u;
let tile_y = tile / ${tiling.columns}u;
let tile_x = tile % ${tiling.columns}u;`;
}

/**
 * Records the transform of an image's tiles by `matrix`, whose columns are the positions of a tile.
 *
 * @param options.first - where the top left tile begins in the image; values outside the image are zero
 */
export function recordTilesToPoints(
  recorder: Recorder,
  options: {
    readonly label: string;
    readonly tiling: Tiling;
    readonly slice: Slice;
    readonly matrix: Matrix;
    readonly first: { readonly top: number; readonly left: number };
    readonly featureMaps: FeatureMaps;
  },
): Tensor {
  const { label, tiling, slice, matrix, first, featureMaps } = options;
  const { tensor: input, maps, height, width } = featureMaps;
  const { images, suffix, zero } = widthOf(tiling);
  const elements = (maps * slice.length) / images;
  const points = recorder.tensor(label, [matrix.length ** 2, maps, slice.length]);
  const row = tiling.batch / images;
  // If the slice extends beyond the last tile, its positions are treated as below the image.
  const beyond = slice.first + slice.length > placesOf(tiling);
  const top = `i32(tile_y) * ${tiling.tile} + ${first.top}`;
  const axis = (name: string, start: number, tiles: number, size: number, checked: boolean, stride: number) => {
    const outside = matrix[0]!.map(
      (_, at) => checked || start + at < 0 || start + (tiles - 1) * tiling.tile + at >= size,
    );
    const statements = outside.map((check, at) =>
      check
        ? `let ${name}_in_${at} = u32(${name} + ${at}) < ${size}u; let ${name}_${at} = u32(clamp(${name} + ${at}, 0, ${size - 1})) * ${stride}u;`
        : `let ${name}_${at} = u32(${name} + ${at}) * ${stride}u;`,
    );
    return { outside, statements };
  };
  const y = axis('y', first.top, tiling.rows, height, beyond, width * row);
  const x = axis('x', first.left, tiling.columns, width, false, row);
  recordPerElement(recorder, {
    label,
    elements,
    reads: { input },
    writes: { points },
    vectors: images === 4 ? ['input', 'points'] : [],
    body: `${placeOf(tiling, slice, images)}
let y = ${beyond ? `select(${height}, ${top}, tile < ${tiling.rows * tiling.columns}u)` : top};
let x = i32(tile_x) * ${tiling.tile} + ${first.left};
let first = map * ${height * width * row}u + image;
${[...y.statements, ...x.statements].join('\n')}
${onBothAxes(
  matrix,
  (r, c) => {
    const load = `load${suffix}_input(first + y_${r} + x_${c})`;
    const inside = [...(y.outside[r] ? [`y_in_${r}`] : []), ...(x.outside[c] ? [`x_in_${c}`] : [])].join(' && ');
    return inside ? `select(${zero}, ${load}, ${inside})` : load;
  },
  (r, c, value) => `store${suffix}_points(i + ${(r * matrix.length + c) * elements}u, ${value});`,
)}`,
  });
  return points;
}

/** Records the transform of products back into the outputs of tiles, plus a bias for each map. */
export function recordPointsToTiles(
  recorder: Recorder,
  options: {
    readonly label: string;
    readonly tiling: Tiling;
    readonly slice: Slice;
    readonly points: Tensor;
    readonly featureMaps: FeatureMaps;
    readonly bias?: Tensor | undefined;
    readonly epilogue?: Epilogue | undefined;
    readonly below?: LayerBelow | undefined;
  },
): void {
  const { label, tiling, slice, points, featureMaps, bias, epilogue, below } = options;
  const { tensor: output, maps, height, width } = featureMaps;
  const { images, suffix } = widthOf(tiling);
  const { tile, matrices } = tiling;
  const elements = (maps * slice.length) / images;
  const row = tiling.batch / images;
  const beyond = slice.first + slice.length > placesOf(tiling);
  recordPerElement(recorder, {
    label,
    elements,
    reads: { points, ...(bias ? { bias } : {}), ...(below && { outputBelow: below.output }) },
    writes: { output },
    vectors: images === 4 ? ['points', 'output', ...(below ? ['outputBelow'] : [])] : [],
    body: `${placeOf(tiling, slice, images)}
${beyond ? `if (tile >= ${tiling.rows * tiling.columns}u) { return; }` : ''}
let y = tile_y * ${tile}u;
let x = tile_x * ${tile}u;
let first = ((map * ${height}u + y) * ${width}u + x) * ${row}u + image;
${bias ? 'let bias = load_bias(map);' : ''}
${onBothAxes(
  matrices.output,
  (r, c) => `load${suffix}_points(i + ${(r * matrices.size + c) * elements}u)`,
  (r, c, value) => {
    const inside = [
      ...(r < height % tile || height % tile === 0 ? [] : [`y + ${r}u < ${height}u`]),
      ...(c < width % tile || width % tile === 0 ? [] : [`x + ${c}u < ${width}u`]),
    ].join(' && ');
    const place = `first + ${(r * width + c) * row}u`;
    const keep = (result: string) => `store${suffix}_output(${place}, ${result});`;
    const store = below
      ? storeGradientAfter(below.epilogue, value, `load${suffix}_outputBelow(${place})`, images, keep)
      : storeAfter(epilogue, `${value}${bias ? ' + bias' : ''}`, images, keep);
    return `${inside && `if (${inside}) `}{ ${store} }`;
  },
)}`,
  });
}

/**
 * Records the transform of weights `[filter][channel][y][x]` (of each group): for products over channels, as
 * `[point][group][channel][filter]`; for products over filters, rotated by 180 degrees, as
 * `[point][group][filter][channel]`.
 */
export function recordWeightsToPoints(
  recorder: Recorder,
  options: {
    readonly label: string;
    readonly tiling: Tiling;
    readonly over: 'channels' | 'filters';
    readonly weight: Tensor;
    readonly groupFilters: number;
    readonly groupChannels: number;
  },
): Tensor {
  const { label, over, weight, groupFilters, groupChannels } = options;
  const { weights: matrix, size } = options.tiling.matrices;
  const area = kernelSize ** 2;
  const elements = weight.elements / area;
  const points = recorder.tensor(label, [size ** 2, elements]);
  const rows = over === 'channels' ? groupFilters : groupChannels;
  const [filter, channel] = over === 'channels' ? ['row', 'step'] : ['step', 'row'];
  recordPerElement(recorder, {
    label,
    elements,
    reads: { weight },
    writes: { points },
    body: `let row = i % ${rows}u;
let step = i / ${rows}u % ${over === 'channels' ? groupChannels : groupFilters}u;
let group = i / ${groupFilters * groupChannels}u;
let first = ((group * ${groupFilters}u + ${filter}) * ${groupChannels}u + ${channel}) * ${area}u;
${onBothAxes(
  matrix,
  (r, c) => {
    const place = r * kernelSize + c;
    return `load_weight(first + ${over === 'channels' ? place : area - 1 - place}u)`;
  },
  (r, c, value) => `store_points(i + ${(r * size + c) * elements}u, ${value});`,
)}`,
  });
  return points;
}

/** Records the transform of summed products `[point][group][filter][channel]` into the gradient of the weights. */
export function recordPointsToWeights(
  recorder: Recorder,
  options: {
    readonly label: string;
    readonly tiling: Tiling;
    readonly points: Tensor;
    readonly weightGradient: Tensor;
  },
): void {
  const { label, tiling, points, weightGradient } = options;
  const { weights, size } = tiling.matrices;
  const area = kernelSize ** 2;
  const elements = weightGradient.elements / area;
  recordPerElement(recorder, {
    label,
    elements,
    reads: { points },
    writes: { weightGradient },
    body: onBothAxes(
      transpose(weights),
      (r, c) => `load_points(i + ${(r * size + c) * elements}u)`,
      (r, c, value) => `store_weightGradient(i * ${area}u + ${r * kernelSize + c}u, ${value});`,
    ),
  });
}
