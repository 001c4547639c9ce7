import type { HostTensor } from '@alex/tensor';
import { FeatureIndex, FeatureIndexWriter } from './feature-index.js';
import type { Neighbour } from './nearest.js';

/** Writes vectors `[N, ...]` as a finished index, some rows at a time, and opens it. */
export async function writeIndex(path: string, { shape, data }: HostTensor, rowsAtATime = 7): Promise<FeatureIndex> {
  const [rows, ...own] = shape as [number, ...number[]];
  const columns = data.length / rows;
  const writer = await FeatureIndexWriter.open(path, { rows, shape: own, identity: { of: 'a test' } });
  for (let first = writer.rows; first < rows; first += rowsAtATime) {
    const end = Math.min(rows, first + rowsAtATime);
    await writer.append(data.subarray(first * columns, end * columns), (row) => `vector ${row}`);
  }
  await writer.finish();
  await writer.close();
  return FeatureIndex.open(path);
}

/** The nearest by definition: all distances in float64, sorted. */
export function bruteForce(vectors: HostTensor, query: Float32Array, count: number): Neighbour[] {
  const columns = query.length;
  const distances = Array.from({ length: vectors.shape[0]! }, (_, row): Neighbour => {
    let sum = 0;
    for (let i = 0; i < columns; i++) {
      const difference = vectors.data[row * columns + i]! - query[i]!;
      sum += difference * difference;
    }
    return { row, distance: Math.sqrt(sum) };
  });
  return distances.sort((one, other) => one.distance - other.distance || one.row - other.row).slice(0, count);
}
