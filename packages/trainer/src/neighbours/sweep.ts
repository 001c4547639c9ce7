import {
  createProgram,
  createTensor,
  disposeTensor,
  type Gpu,
  type Program,
  readTensor,
  type Tensor,
  writeTensor,
} from '@alex/tensor';
import { recordPerElement, recordProduct } from '@alex/tensor/kernels';
import type { FeatureIndex } from './feature-index.js';

/** Large enough to keep the adapter busy, small enough for any adapter's memory. */
const usualPieceBytes = 2 ** 24;

/** Rows of an index, and their products with the queries. */
export interface SweptRows {
  readonly first: number;
  readonly count: number;
  /** As they are on disk. */
  readonly bytes: Uint8Array;
  /** `[rows, queries]`: products with the stored halves, before their scale. */
  readonly products: Float32Array;
}

/**
 * Multiplies all rows of an index with some queries by matrix products on the adapter, piece by piece: the next piece is read
 * from disk while the adapter computes. The order is that of the rows.
 *
 * A separate kernel unpacks the halves to float32 with built-in functions of WebGPU's core language. So adapters without
 * `shader-f16` work too, and adapters with matrix units do not round the queries to halves.
 *
 * @param queries `[queries, columns]`, with lengths whose products fit float32
 */
export async function* sweep(
  gpu: Gpu,
  index: FeatureIndex,
  queries: Float32Array,
  {
    pieceBytes = usualPieceBytes,
    signal,
  }: { readonly pieceBytes?: number | undefined; readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<SweptRows, void, undefined> {
  const { row, description } = index;
  const atATime = Math.min(description.rows, Math.max(1, Math.floor(pieceBytes / row.bytes)));
  const adapter = new Products(gpu, { row, rows: atATime, queries });
  // One is being read, one is on the adapter, one is in use.
  const pieces = Array.from({ length: 3 }, () => new Uint8Array(atATime * row.bytes));
  const rowsFrom = (first: number) => Math.min(atATime, description.rows - first);
  const read = async (first: number, turn: number) => {
    const bytes = pieces[turn % pieces.length]!;
    if (first < description.rows) await index.read(first, rowsFrom(first), bytes);
    return bytes;
  };
  let reading: Promise<Uint8Array> | undefined;
  let computing: Promise<SweptRows> | undefined;
  try {
    reading = read(0, 0);
    for (let first = 0, turn = 0; first < description.rows; first += atATime, turn++) {
      signal?.throwIfAborted();
      const bytes = await reading;
      reading = read(first + atATime, turn + 1);
      reading.catch(() => undefined);
      const done = computing;
      const { result } = await adapter.submit(bytes);
      computing = result.then((products) => ({ first, count: rowsFrom(first), bytes, products }));
      computing.catch(() => undefined);
      if (done) yield await done;
    }
    if (computing) yield await computing;
  } finally {
    await Promise.allSettled([reading, computing]);
    adapter.dispose();
  }
}

/** The adapter's resources for the products of one sweep. */
class Products {
  readonly #gpu: Gpu;
  readonly #stored: Tensor;
  readonly #products: Tensor;
  readonly #program: Program;
  readonly #tensors: readonly Tensor[];

  constructor(
    gpu: Gpu,
    {
      row,
      rows,
      queries,
    }: { readonly row: FeatureIndex['row']; readonly rows: number; readonly queries: Float32Array },
  ) {
    this.#gpu = gpu;
    const { columns, halves } = row;
    const count = queries.length / columns;
    const words = row.bytes / 4;
    const tensors: Tensor[] = [];
    this.#tensors = tensors;
    const make = (label: string, shape: readonly number[], dataType: 'f32' | 'u32' = 'f32') => {
      const tensor = createTensor(gpu, label, shape, { dataType });
      tensors.push(tensor);
      return tensor;
    };
    try {
      this.#stored = make('rows of the index', [rows, words], 'u32');
      this.#products = make('products', [rows, count]);
      const b = make('queries', [count, halves]);
      writeTensor(gpu, b, padded(queries, columns, halves));
      this.#program = createProgram(gpu, (recorder) => {
        const a = recorder.tensor('values', [rows, halves]);
        recordPerElement(recorder, {
          label: 'values',
          elements: (rows * halves) / 4,
          reads: { stored: this.#stored },
          writes: { a },
          vectors: ['a'],
          // The bytes after the halves of a row are for the host.
          body: `let word = i / ${halves / 4}u * ${words}u + i % ${halves / 4}u * 2u;
store4_a(i, vec4f(unpack2x16float(load_stored(word)), unpack2x16float(load_stored(word + 1u))));`,
        });
        const sizes = { m: rows, n: count, k: halves, transposeB: true };
        recordProduct(recorder, { label: 'products', a, b, output: this.#products, ...sizes });
      });
    } catch (error) {
      for (const tensor of tensors) disposeTensor(gpu, tensor);
      throw error;
    }
  }

  /** Resolves once the work is submitted: the bytes have then been copied, and the next piece may follow. */
  async submit(bytes: Uint8Array): Promise<{ readonly result: Promise<Float32Array> }> {
    writeTensor(this.#gpu, this.#stored, new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4));
    await this.#program.run();
    return { result: readTensor(this.#gpu, this.#products) as Promise<Float32Array> };
  }

  dispose(): void {
    this.#program.dispose();
    for (const tensor of this.#tensors) disposeTensor(this.#gpu, tensor);
  }
}

function padded(queries: Float32Array, columns: number, halves: number): Float32Array {
  if (columns === halves) return queries;
  const rows = new Float32Array((queries.length / columns) * halves);
  for (let at = 0, to = 0; at < queries.length; at += columns, to += halves) {
    rows.set(queries.subarray(at, at + columns), to);
  }
  return rows;
}
