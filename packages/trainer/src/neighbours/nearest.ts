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
  /** The number of the image in its split. */
  readonly row: number;
  /** Euclidean distance between its features and those that were given. */
  readonly distance: number;
}

/** What {@link findNearest} needs. */
export interface NearestOptions {
  readonly gpu: Gpu;
  readonly index: FeatureIndex;
  /** `[N, ...]`: the features of some images. */
  readonly features: HostTensor;
  /** How many neighbours of each. Default: 6, as in figure 4 of the paper. */
  readonly count?: number;
  /**
   * Gives the features of images of the index as they are before they are stored in 16 bits: float32, one vector after the
   * other. Asked for those alone of which rounding decides whether they are among the nearest, and in which order.
   */
  exact(rows: readonly number[]): Promise<Float32Array>;
  /** Bytes of the index that are on the adapter at a time, as far as whole rows allow. Default: 16 MiB. */
  readonly pieceBytes?: number;
  readonly signal?: AbortSignal;
  /** Called after each piece of the index. */
  onProgress?(rows: number, of: number): void;
}

/** Images that are compared with an index at a time: more take another pass over it. */
const queriesAtOnce = 64;
/** Candidates whose exact features are asked for at a time. */
const exactAtOnce = 64;
/**
 * Finds the images of an index that are nearest to others, exactly: by the Euclidean distance between float32 features, summed in
 * float64; of equal distances the image with the lower number is nearer.
 *
 * The adapter multiplies all rows with the images' features. From a product follow bounds of a distance: by how much float32 sums of
 * this length can be off, in any order, and how far the row was moved by rounding, which is noted beside it. Only rows that can be
 * among the nearest by these bounds are looked at further, first as they are stored, in float64, then by their exact features.
 *
 * @returns for each image its neighbours, the nearest first; fewer where the index has fewer
 * @throws ConfigError for an option that is unknown or cannot be; ShapeError where the features are of another size; DataError where a row was damaged, or an image of the index has other
 * features than when it was built
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

/** Features to find neighbours of. */
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
    // To a length between 1 and 2: no product is too large for float32, and none too small.
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

/** The same candidates with the bounds that follow from their rows themselves, as they are stored, summed in float64. */
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

/** Asks for the exact features of those that may be among the nearest, the likely ones first, until nothing is left open. */
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
    // A row of zeros was moved by no rounding.
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
      // Not at most: what is no number is no distance.
      if (!(Math.sqrt(row.squaredDistance(bytes, 0, own)) <= movedBy(row.facts(bytes, 0)))) {
        throw new DataError(
          `${index.path}: image ${image} has other features than when the index was built; the image, or what prepares it, was changed: build the index again`,
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
