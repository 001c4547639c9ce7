import type { Tensor } from '@alex/tensor';
import { valuesOf } from '@alex/tensor/kernels';
import type { Pooling } from './pooling.js';

/** What the kernels that look for maxima read and write. */
export interface MaximaTensors {
  readonly input: Tensor;
  readonly output: Tensor;
  /** Receives where in its window each maximum lies: the number of the element, row by row. */
  readonly places: Tensor | undefined;
}

/** Comparisons with NaN are the driver's choice; its bits are not. */
export const isNan =
  'fn isNan(x: Values) -> Truths { return (bitcast<Places>(x) & Places(0x7fffffffu)) > Places(0x7f800000u); }';

/** WGSL for a maximum and its place: `greater` keeps the first of equal ones, and NaN counts as greater than any number. */
export const maximum = `struct Row { value: Values, place: Places }
fn greater(best: Row, other: Row) -> Row {
  let wins = (other.value > best.value) | isNan(other.value);
  return Row(select(best.value, other.value, wins), select(best.place, other.place, wins));
}`;

/** Whether the places of four images are a byte each of one word. */
export function packsPlaces({ size }: Pooling, { shape }: Pick<Tensor, 'shape'>): boolean {
  return valuesOf(shape[0]!).width === 4 && size[0] * size[1] <= 256;
}

/** WGSL that stores the places of `best` at `index`. */
export function storePlaces(packs: boolean, suffix: string): string {
  return packs
    ? 'let bytes = best.place << Places(0u, 8u, 16u, 24u); store_places(index, bytes.x | bytes.y | bytes.z | bytes.w);'
    : `store${suffix}_places(index, best.place);`;
}
