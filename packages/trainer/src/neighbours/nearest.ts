import { DataError, type Gpu, type HostTensor, ShapeError } from '@alex/tensor';
import {
  checkGpu,
  checkHostTensor,
  checkOptions,
  checkSignal,
  checkWholeNumber,
  formatShape,
  optionError,
} from '@alex/tensor/kernels';
import { boundsFromProduct, boundsFromRow, movedBy } from './bounds.js';
import { type Candidate, Candidates } from './candidates.js';
import type { FeatureIndex } from './feature-index.js';
import { sweep } from './sweep.js';

/** One of the nearest images. */
export interface Neighbour {
  /** The index of the image in its split. */
  readonly row: number;
  /** The Euclidean distance between its features and the given ones. */
  readonly distance: number;
}

/** What {@link findNearest} needs. */
export interface NearestOptions {
  readonly gpu: Gpu;
  readonly index: FeatureIndex;
  /** `[N, ...]`: the features of some images. */
  readonly features: HostTensor;
  /** The number of neighbours for each image. Default: 6, as in figure 4 of the paper. */
  readonly count?: number;
  /**
   * Returns the features of images of the index before rounding to 16 bits: float32, one vector after the other. It is called
   * only for images where rounding decides whether they are among the nearest, and in which order.
   */
  exact(rows: readonly number[]): Promise<Float32Array>;
  /** The bytes of the index that are on the adapter at a time, rounded to whole rows. Default: 16 MiB. */
  readonly pieceBytes?: number;
  readonly signal?: AbortSignal;
  /** Called after each piece of the index. */
  onProgress?(rows: number, of: number): void;
}

/** The number of images compared in one pass over an index. */
const queriesAtOnce = 64;
/** The number of candidates whose exact features are requested at a time. */
const exactAtOnce = 64;
/**
 * Finds the images of an index that are nearest to others, exactly: by the Euclidean distance between float32 features, summed in
 * float64. If distances are equal, the image with the lower number is nearer.
 *
 * The adapter multiplies all rows with the images' features. Each product gives bounds of a distance, from the largest error of
 * float32 sums of this length, in any order, and from how far rounding moved the row, which is stored with it. Only rows that can
 * be among the nearest by these bounds are examined further: first their stored values in float64, then their exact features.
 *
 * @returns the neighbours of each image, the nearest first; fewer if the index has fewer images
 * @throws ConfigError for an unknown or invalid option; ShapeError if the features have another size; DataError if a row is damaged, or an image's features have changed since
 * the index was built
 */
export async function findNearest(options: NearestOptions): Promise<Neighbour[][]> {
  checkOptions('findNearest', options, [
    'gpu',
    'index',
    'features',
    'count',
    'exact',
    'pieceBytes',
    'signal',
    'onProgress',
  ]);
  const { gpu, index, features, count = 6, exact, signal } = options;
  checkGpu('findNearest', gpu);
  if (typeof index?.read !== 'function') throw optionError('findNearest', 'index', 'a FeatureIndex', index);
  if (typeof exact !== 'function') throw optionError('findNearest', 'exact', 'a function that gives features', exact);
  checkSignal('findNearest', signal);
  checkHostTensor('findNearest: features', features);
  checkWholeNumber('findNearest', 'count', count);
  if (options.pieceBytes !== undefined) checkWholeNumber('findNearest', 'pieceBytes', options.pieceBytes);
  const { rows, shape } = index.description;
  const [images = 0, ...own] = features.shape;
  if (own.join() !== shape.join()) {
    throw new ShapeError(
      `findNearest: ${index.path} has features of shape ${formatShape(shape)}, got ${formatShape(own)}: give those of the same layer`,
    );
  }
  const { columns } = index.row;
  const found: Neighbour[][] = [];
  for (let first = 0; first < images; first += queriesAtOnce) {
    const end = Math.min(images, first + queriesAtOnce);
    const queries = Array.from({ length: end - first }, (_, i) =>
      queryOf(features.data.subarray((first + i) * columns, (first + i + 1) * columns), first + i),
    );
    const candidates = await candidatesOf(queries, Math.min(count, rows), options);
    for (const [i, query] of queries.entries()) {
      found.push(await ranked(query, await lookedUp(query, candidates[i]!, options), Math.min(count, rows), options));
    }
  }
  return found;
}

/** Features whose neighbours are searched. */
interface Query {
  readonly vector: Float32Array;
  readonly norm: number;
  /** A power of two near its length. */
  readonly scale: number;
}

function queryOf(vector: Float32Array, image: number): Query {
  const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  if (!Number.isFinite(norm)) throw new DataError(`findNearest: the features of image ${image} are not finite`);
  return { vector, norm, scale: norm === 0 ? 1 : 2 ** Math.floor(Math.log2(norm)) };
}

/** Sweeps over the whole index once. */
async function candidatesOf(
  queries: readonly Query[],
  count: number,
  { gpu, index, pieceBytes, signal, onProgress }: NearestOptions,
): Promise<Candidates[]> {
  const { row, description } = index;
  const vectors = new Float32Array(queries.length * row.columns);
  for (const [i, { vector, scale }] of queries.entries()) {
    // Scaled to a length between 1 and 2, so that no product is too large or too small for float32.
    for (let k = 0; k < row.columns; k++) vectors[i * row.columns + k] = vector[k]! / scale;
  }
  const candidates = queries.map(() => new Candidates(count));
  for await (const piece of sweep(gpu, index, vectors, { pieceBytes, signal })) {
    for (let i = 0; i < piece.count; i++) {
      const facts = row.facts(piece.bytes, i * row.bytes);
      for (const [at, query] of queries.entries()) {
        const product = piece.products[i * queries.length + at]! * facts.scale * query.scale;
        candidates[at]!.add(piece.first + i, boundsFromProduct(product, facts, query.norm, row.columns));
      }
    }
    onProgress?.(piece.first + piece.count, description.rows);
  }
  return candidates;
}

/** The same candidates, with bounds from their stored rows, summed in float64. */
async function lookedUp(
  { vector }: Query,
  candidates: Candidates,
  { index, signal }: NearestOptions,
): Promise<Candidate[]> {
  const { row } = index;
  const bytes = new Uint8Array(row.bytes);
  const found: Candidate[] = [];
  for (const candidate of candidates.inOrder()) {
    signal?.throwIfAborted();
    await index.read(candidate.row, 1, bytes);
    const distance = Math.sqrt(row.squaredDistance(bytes, 0, vector));
    found.push({ row: candidate.row, ...boundsFromRow(distance, row.facts(bytes, 0), row.columns) });
  }
  return found;
}

/** Requests the exact features of rows that may be among the nearest, the most likely first, until the result is certain. */
async function ranked(
  { vector }: Query,
  candidates: readonly Candidate[],
  count: number,
  { index, exact, signal }: NearestOptions,
): Promise<Neighbour[]> {
  const { row } = index;
  const nearest = (distances: readonly number[]) => distances.toSorted((one, other) => one - other)[count - 1]!;
  let limit = nearest(candidates.map(({ most }) => most));
  const known: Neighbour[] = [];
  const open = candidates.toSorted((one, other) => one.least - other.least || one.row - other.row);
  while (open.length > 0 && open[0]!.least <= limit) {
    signal?.throwIfAborted();
    const next = open.splice(0, exactAtOnce).filter(({ least }) => least <= limit);
    // Rounding does not move a row of zeros.
    const certain = next.filter(({ least, most }) => least === most);
    known.push(...certain.map(({ row: image, most }) => ({ row: image, distance: most })));
    const asked = next.filter(({ least, most }) => least !== most).map(({ row: image }) => image);
    const vectors = asked.length > 0 ? await exact(asked) : new Float32Array();
    if (vectors.length !== asked.length * row.columns) {
      throw new ShapeError(
        `findNearest: exact gave ${vectors.length} values for ${asked.length} images of ${row.columns}`,
      );
    }
    const bytes = new Uint8Array(row.bytes);
    for (const [i, image] of asked.entries()) {
      const own = vectors.subarray(i * row.columns, (i + 1) * row.columns);
      await index.read(image, 1, bytes);
      // Negated, so that NaN also fails.
      if (!(Math.sqrt(row.squaredDistance(bytes, 0, own)) <= movedBy(row.facts(bytes, 0)))) {
        throw new DataError(
          `${index.path}: image ${image} has other features than when the index was built, because the image or its preprocessing has changed; rebuild the index`,
        );
      }
      known.push({ row: image, distance: distanceBetween(vector, own) });
    }
    known.sort((one, other) => one.distance - other.distance || one.row - other.row);
    limit = Math.min(limit, known[count - 1]?.distance ?? limit);
  }
  return known.slice(0, count);
}

function distanceBetween(one: Float32Array, other: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += (one[i]! - other[i]!) ** 2;
  return Math.sqrt(sum);
}
