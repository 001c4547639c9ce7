import { type Loss, ShapeError } from '@alex/tensor';
import { softmaxCrossEntropyKernel } from './softmax-cross-entropy-kernel.js';

/** How many guesses the top-5 error allows. */
const GUESSES = 5;

/**
 * Softmax over the classes with the multinomial logistic loss: for one image of label `l` with outputs ("logits") `x`,
 * `loss = log(sum over k of exp(x[k])) - x[l]`, in nats.
 *
 * The network's output is `[N, classes]`, labels are `[N]`. The maximum is subtracted before any exponential is taken,
 * so outputs of any size that float32 holds are safe.
 *
 * - `loss` `[N]`: one value an image.
 * - `probabilities` `[N, classes]`: the softmax.
 * - `outputGradient` `[N, classes]`, where training: `(probability - (1 at the label, 0 elsewhere)) / N`, the gradient
 *   of the MEAN loss over the batch.
 * - `top1Error`, `top5Error` `[N]`: 1 minus the chance that the label is among the first 1 or 5 where equal outputs are
 *   put in a random order, as the 2012 code counts: with `greater` outputs above the label's and `equal` outputs the
 *   same as it (itself included), the chance is `min(1, max(0, guesses - greater) / equal)`. So an error is 0 or 1
 *   except at ties, and top-5 error is 0 for five classes or fewer. The outputs are compared, not the rounded
 *   probabilities: two classes whose probabilities both round to 0 do not tie.
 *
 * An image whose outputs hold a NaN or plus infinity, or nothing but minus infinity, has no softmax: its loss,
 * probabilities and gradient are NaN and both its errors are 1.
 *
 * Labels are the network's to check; the kernel only keeps one that is out of range from reading foreign memory.
 *
 * @throws ShapeError (when recorded) where the output is not `[N, classes]` or the labels are not `[N]`.
 */
export function softmaxCrossEntropy(): Loss {
  const kind = 'softmaxCrossEntropy';
  return {
    kind,
    record(recorder, { output, labels, training }) {
      const [images, classes] = output.shape;
      if (output.shape.length !== 2 || images === undefined || classes === undefined) {
        throw new ShapeError(
          `${kind}: expects outputs [N, classes], got [${output.shape.join(', ')}]; end the network with a dense layer`,
        );
      }
      if (labels.elements !== images || labels.dataType !== 'u32') {
        throw new ShapeError(
          `${kind}: ${images} images need ${images} labels of u32, got ${labels.elements} of ${labels.dataType}`,
        );
      }
      const loss = recorder.tensor(`${kind}/loss`, [images]);
      const top1Error = recorder.tensor(`${kind}/top1Error`, [images]);
      const top5Error = recorder.tensor(`${kind}/top5Error`, [images]);
      const probabilities = recorder.tensor(`${kind}/probabilities`, [images, classes]);
      const results = { loss, top1Error, top5Error, probabilities };
      const outputGradient = training ? recorder.tensor(`${kind}/outputGradient`, [images, classes]) : undefined;
      const kernel = softmaxCrossEntropyKernel({
        kind: recorder.gpu.description.kind,
        images,
        classes,
        guesses: GUESSES,
        gradient: training,
      });
      recorder.dispatch({
        label: kind,
        wgsl: kernel.wgsl,
        reads: { output, labels },
        writes: outputGradient ? { ...results, outputGradient } : results,
        workgroups: [kernel.workgroups],
      });
      return outputGradient ? { ...results, outputGradient } : results;
    },
  };
}
