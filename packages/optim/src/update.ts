import type { Optimizer, Tensor } from '@alex/tensor';
import { recordUpdate, type Update } from '@alex/tensor/kernels';

/** The update that an optimizer makes for a gradient, as data. */
export type UpdateOf = NonNullable<Optimizer['update']>;

/** Records this update as a separate kernel. */
export function recordBy(updateOf: UpdateOf): Optimizer['record'] {
  return (recorder, { gradient, ...values }) => {
    const update = updateOf(values);
    if (update) recordUpdate(recorder, gradient, update);
  };
}

/**
 * The body of an update, from WGSL for the gradient of the loss: the gradient of a scaled loss is first multiplied by a
 * factor. A factor of 0 changes nothing.
 */
export function scaledBack(
  factor: Tensor | undefined,
  body: (gradient: string) => string,
): Pick<Update, 'also' | 'body'> {
  if (!factor) return { body: body('gradient') };
  return {
    also: { factor },
    body: `let factor = load_factor(0u); if (factor != 0.0) { ${body('factor * gradient')} }`,
  };
}
