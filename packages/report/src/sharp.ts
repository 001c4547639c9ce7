import type { SharpConstructor } from 'sharp';

/** The library that draws pixels. Loaded when there are some to draw, because loading it takes a third of a second. */
export async function loadSharp(): Promise<SharpConstructor> {
  return (await import('sharp')).default;
}
