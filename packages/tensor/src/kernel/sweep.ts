/**
 * Into how many parts to cut a sweep: an invocation that walks along `length` elements and keeps in registers what
 * neighbours share, where `lanes` such walks go side by side. Every part loads what its neighbour holds again, so a sweep
 * is cut only where an adapter with thousands of lanes would else be idle.
 */
export function sweepParts(length: number, lanes: number): number {
  const busyLanes = 16_384;
  const leastLength = 16;
  return Math.max(1, Math.min(Math.ceil(busyLanes / lanes), Math.ceil(length / leastLength)));
}

/**
 * WGSL that runs a statement for each offset in `[first, last)`: written out where they are few, since software drivers
 * pay more for a loop than for what is in it; else as a loop. The statement gets the offset as WGSL text.
 */
export function forEachOffset(first: number, last: number, statement: (offset: string) => string): string {
  if (last - first <= 8) {
    return Array.from({ length: Math.max(0, last - first) }, (_, i) => statement(`${first + i}`)).join('\n');
  }
  return `for (var offset = ${first}; offset < ${last}; offset++) { ${statement('offset')} }`;
}
