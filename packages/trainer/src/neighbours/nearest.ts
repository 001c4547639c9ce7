import { DataError, type Gpu, type HostTensor, ShapeError } from '@alex/tensor';
import { checkHostTensor, checkWholeNumber, formatShape } from '@alex/tensor/kernels';
import { type Candidate, Candidates } from './candidates.js';
import type { FeatureIndex } from './feature-index.js';
import type { RowFacts } from './stored-row.js';
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
 * How far features that are computed again may lie from what they were when the index was built, on another adapter or in
 * other batches, as a share of their length: many times what the order of float32 sums makes, half of what rounding to 16 bits does.
 */
const drift = 2 ** -12;
/** Of one operation, however it rounds. */
const rounding = { float32: 2 ** -23, float64: 2 ** -52 };

/**
 * Finds the images of an index that are nearest to others, exactly: by the Euclidean distance between float32 features, summed in
 * float64; of equal distances the image with the lower number is nearer.
 *
 * The adapter multiplies all rows with the images' features. From a product follow bounds of a distance: by how much float32 sums of
 * this length can be off, in any order, and how far the row was moved by rounding, which is noted beside it. Only rows that can be
 * among the nearest by these bounds are looked at further, first as they are stored, in float64, then by their exact features.
 *
 * @returns for each image its neighbours, the nearest first; fewer where the index has fewer
 * @throws ShapeError where the features are of another size; DataError where a row was damaged, or an image of the index has other
 * features than when it was built
 */
export async function findNearest(options: NearestOptions): Promise<Neighbour[][]> {
  const { index, features, count = 6 } = options;
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
  // A sum of so many products is off by no more than this share of the product of the lengths, whatever its order (Higham,
  // Accuracy and Stability of Numerical Algorithms, section 3.1); some more for what WGSL may take for 0.
  const error = (row.columns + 8) * rounding.float32 * 1.01;
  const error64 = 4 * row.columns * rounding.float64;
  for await (const piece of sweep(gpu, index, vectors, { pieceBytes, signal })) {
    for (let i = 0; i < piece.count; i++) {
      const facts = row.facts(piece.bytes, i * row.bytes);
      const norm = Math.sqrt(facts.squaredNorm);
      const moved = movedBy(facts);
      for (const [at, query] of queries.entries()) {
        // A row of zeros, such as a dead layer gives, has one distance, which is known.
        if (moved === 0) {
          candidates[at]!.add(piece.first + i, { least: query.norm, most: query.norm });
          continue;
        }
        const product = piece.products[i * queries.length + at]! * facts.scale * query.scale;
        const square = facts.squaredNorm - 2 * product + query.norm * query.norm;
        const off = 2 * error * norm * query.norm + error64 * (facts.squaredNorm + query.norm * query.norm);
        candidates[at]!.add(piece.first + i, {
          least: Math.sqrt(Math.max(0, square - off)) - moved,
          most: Math.sqrt(Math.max(0, square + off)) + moved,
        });
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
    const moved = movedBy(row.facts(bytes, 0));
    const off = moved === 0 ? 0 : moved + row.columns * rounding.float64 * distance;
    found.push({ row: candidate.row, least: distance - off, most: distance + off });
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

/** How far the features of an image may lie from its row. */
function movedBy({ squaredNorm, residual }: RowFacts): number {
  return residual + drift * Math.sqrt(squaredNorm);
}

function distanceBetween(one: Float32Array, other: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += (one[i]! - other[i]!) ** 2;
  return Math.sqrt(sum);
}
