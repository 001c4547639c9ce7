import type { Gpu } from '@alex/tensor';
import { type CookToom, cookToom } from './cook-toom.js';

/** Outputs that one tile covers along each axis. */
export type WinogradTile = 2 | 3 | 4 | 5 | 6;

/** How an image is divided into tiles whose inputs overlap. */
export interface Tiling {
  readonly tile: WinogradTile;
  readonly matrices: CookToom;
  /** Tiles along each axis; the last ones may extend beyond the image. */
  readonly rows: number;
  readonly columns: number;
  readonly batch: number;
}

/** Consecutive entries in the list of all tiles x images (images fastest). */
export interface Slice {
  readonly first: number;
  /** A multiple of four. The last slice may extend beyond the end of the list, where every value is zero. */
  readonly length: number;
}

export const kernelSize = 3;

export function tilingOf(tile: WinogradTile, height: number, width: number, batch: number): Tiling {
  return {
    tile,
    matrices: cookToom(tile, kernelSize),
    rows: Math.ceil(height / tile),
    columns: Math.ceil(width / tile),
    batch,
  };
}

export function placesOf({ rows, columns, batch }: Tiling): number {
  return rows * columns * batch;
}

/** Products per pair of maps. */
export function productsOf(tiling: Tiling): number {
  return placesOf(tiling) * tiling.matrices.size ** 2;
}

/**
 * Divides the list of tiles x images so that no tensor of transformed values exceeds the adapter's largest binding.
 *
 * @param maps - the largest number of maps that are transformed
 */
export function slicesOf(gpu: Pick<Gpu, 'bindingBytes'>, tiling: Tiling, maps: number): Slice[] {
  const places = placesOf(tiling);
  const fours = Math.ceil(places / 4);
  const bytesOfFour = tiling.matrices.size ** 2 * maps * 16;
  const count = Math.ceil(fours / Math.max(1, Math.floor(gpu.bindingBytes / bytesOfFour)));
  const length = Math.ceil(fours / count) * 4;
  return Array.from({ length: Math.ceil((fours * 4) / length) }, (_, index) => ({ first: index * length, length }));
}
