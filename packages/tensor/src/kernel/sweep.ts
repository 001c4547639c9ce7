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
