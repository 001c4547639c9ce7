import type { Gpu, Recorder, Shape } from '@alex/tensor';
import { type MapStream, sweepParts, valuesOf, workgroupsOf } from '@alex/tensor/kernels';
import { isNan, type MaximaTensors, maximum, packsPlaces, storePlaces } from './maxima.js';
import { type Pooling, pooledShape } from './pooling.js';

/** What a workgroup makes: `outputs x outputs` windows of a map, of some fours of images. */
interface StreamTile {
  readonly outputs: number;
  readonly fours: number;
  /** Rows and columns of the input that its windows hold. */
  readonly rows: number;
  readonly columns: number;
}

/** The most windows along an axis: of 3 x 3 every 2, 4 x 4 windows hold 81 elements, of which a neighbour needs only few again. */
const mostOutputs = 4;
/** Neighbours in memory that are loaded at once: 64 bytes. */
const mostFours = 4;
/** Larger workgroups wait longer for each other. */
const mostInvocations = 384;

/** How a workgroup covers a pooling of what comes map by map; undefined where it cannot, or would hardly gain by it. */
export function streamTile({ limits }: Pick<Gpu, 'limits'>, pooling: Pooling, input: Shape): StreamTile | undefined {
  const { size, stride } = pooling;
  const [batch] = input as [number];
  if (!packsPlaces(pooling, { shape: input }) || stride[0] > size[0] || stride[1] > size[1]) return undefined;
  const { maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupSizeX } = limits;
  const most = Math.min(mostInvocations, maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupSizeX);
  for (let outputs = mostOutputs; outputs >= 2; outputs--) {
    const [rows, columns] = [(outputs - 1) * stride[0] + size[0], (outputs - 1) * stride[1] + size[1]];
    for (let fours = Math.min(mostFours, 2 ** Math.ceil(Math.log2(batch / 4))); fours >= 1; fours /= 2) {
      if (rows * columns * fours <= most) return { outputs, fours, rows, columns };
    }
  }
  return undefined;
}

/**
 * Max pooling of what another layer makes of the input map by map, which is never stored. A workgroup covers some windows of
 * some images and sweeps over a part of a group's maps: each invocation takes the values at one place of the input, four
 * images, hands what the stream makes of a map to the others through workgroup memory, of which there are two by turns, and
 * some of them find the maxima. Lanes run over images, then columns.
 */
export function recordStreamedMaxima(
  recorder: Recorder,
  pooling: Pooling,
  { input, output, places }: MaximaTensors,
  stream: MapStream,
): void {
  const { size, stride, padding } = pooling;
  const [batch, channels, height, width] = input.shape as [number, number, number, number];
  const [, , outputHeight, outputWidth] = pooledShape(pooling, input.shape) as [number, number, number, number];
  const { outputs, fours, rows, columns } = streamTile(recorder.gpu, pooling, input.shape)!;
  const { before, after } = stream.reach;
  const images = batch / 4;
  const [tilesDown, tilesAcross] = [Math.ceil(outputHeight / outputs), Math.ceil(outputWidth / outputs)];
  const blocks = Math.ceil(images / fours);
  const maps = channels / stream.groups;
  const own = rows * columns * fours;
  // Whole subgroups, whatever their size.
  const lanes = Math.ceil(own / 64) * 64 <= 384 ? Math.ceil(own / 64) * 64 : Math.ceil(own / 32) * 32;
  const tiles = tilesDown * tilesAcross * blocks;
  const parts = sweepParts(recorder.gpu, maps, tiles * stream.groups * lanes);
  const length = Math.ceil(maps / parts);
  const grid = workgroupsOf(tiles * stream.groups * parts);
  const { types } = valuesOf(batch);
  const find = Array.from({ length: size[0] * size[1] }, (_, number) => {
    const [row, column] = [Math.floor(number / size[1]), number % size[1]];
    const place = `u32((clamp(top + ${row}, 0, ${height - 1}) - top) * ${size[1]} + clamp(left + ${column}, 0, ${width - 1}) - left)`;
    const one = `Row(values[buffer + first_value + ${(row * columns + column) * fours}u], Places(${place}))`;
    return number === 0 ? `var best = ${one};` : `best = greater(best, ${one});`;
  });
  recorder.dispatch({
    label: `${pooling.name}/forward`,
    reads: { input },
    writes: places ? { output, places } : { output },
    vectors: ['input', 'output'],
    workgroups: grid.workgroups,
    // Windows and places outside the image are the nearest inside, which the same window holds: no maximum changes.
    wgsl: `${types}
${isNan}
${maximum}
${stream.functions}
var<workgroup> values: array<Values, ${2 * own}>;
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let number = ${grid.number};
  if (number >= ${tiles * stream.groups * parts}u) { return; }
  let block = i32(number) % ${blocks};
  let tile = i32(number) / ${blocks} % ${tilesDown * tilesAcross};
  let part = i32(number) / ${tiles};
  let low = part / ${parts} * ${maps};
  let high = low + ${maps};
  let first = low + part % ${parts} * ${length};
  let last = min(first + ${length}, high);
  let firstRow = tile / ${tilesAcross} * ${outputs};
  let firstColumn = tile % ${tilesAcross} * ${outputs};
  let image = block * ${fours} + i32(lane) % ${fours};
  // Of the input:
  let at = min(i32(lane), ${own - 1}) / ${fours};
  let row = clamp(firstRow * ${stride[0]} - ${padding.top} + at / ${columns}, 0, ${height - 1});
  let column = clamp(firstColumn * ${stride[1]} - ${padding.left} + at % ${columns}, 0, ${width - 1});
  let place = (row * ${width} + column) * ${images} + min(image, ${images - 1});
  // Of the output:
  let window = i32(lane) / ${fours};
  let outputRow = firstRow + window / ${outputs};
  let outputColumn = firstColumn + window % ${outputs};
  let top = outputRow * ${stride[0]} - ${padding.top};
  let left = outputColumn * ${stride[1]} - ${padding.left};
  let finds = (window < ${outputs ** 2}) & (outputRow < ${outputHeight}) & (outputColumn < ${outputWidth}) & (image < ${images});
  let first_value = u32((window / ${outputs} * ${stride[0] * columns} + window % ${outputs} * ${stride[1]}) * ${fours} + i32(lane) % ${fours});
  ${stream.declare}
  var buffer = 0u;
  for (var next = first - ${before}; next < last + ${after}; next++) {
    var x = Values();
    if (next >= low && next < high) { x = load4_input(u32(next * ${height * width * images} + place)); }
    ${stream.push('x')}
    let map = next - ${after};
    if (map >= first) {
      if (lane < ${own}u) { values[buffer + lane] = ${stream.output}; }
      workgroupBarrier();
      if (finds) {
        ${find.join('\n        ')}
        let index = u32(((map * ${outputHeight} + outputRow) * ${outputWidth} + outputColumn) * ${images} + image);
        store4_output(index, best.value);
        ${places ? storePlaces(true, '4') : ''}
      }
      buffer = ${own}u - buffer;
    }
  }
}`,
  });
}
