import { type Loss, ShapeError } from '@alex/tensor';
import { softmaxCrossEntropyKernel } from './softmax-cross-entropy-kernel.js';

/** Number of guesses that the top-5 error allows. */
const GUESSES = 5;

/**
 * Softmax over the classes with the multinomial logistic loss: for an image with label `l` and outputs (logits) `x`,
 * `loss = log(sum over k of exp(x[k])) - x[l]`, in nats.
 *
 * The network's output is `[N, classes]`, labels are `[N]`. The maximum is subtracted before exponentials are computed,
 * so all outputs representable in float32 are safe.
 *
 * - `loss` `[N]`: one value per image.
 * - `probabilities` `[N, classes]`: the softmax.
 * - `outputGradient` `[N, classes]`, in training: `(probability - (1 at the label, 0 elsewhere)) / N`, the gradient of
 *   the MEAN loss over the batch.
 * - `top1Error`, `top5Error` `[N]`: 1 minus the probability that the label is among the first 1 or 5 if equal outputs
 *   are ordered at random, as in the 2012 code. With `greater` outputs above the label's and `equal` outputs equal to
 *   it (including itself), this probability is `min(1, max(0, guesses - greater) / equal)`. So an error is 0 or 1
 *   except at ties, and the top-5 error is 0 for five classes or fewer. The outputs are compared, not the rounded
 *   probabilities: two classes whose probabilities both round to 0 do not tie.
 *
 * An image has no softmax if its outputs contain a NaN or plus infinity, or are all minus infinity: its loss,
 * probabilities and gradient are NaN, and both of its errors are 1.
 *
 * The network checks labels; the kernel only prevents a label out of range from causing an out-of-bounds read.
 *
 * @throws ShapeError (when recorded) if the output is not `[N, classes]` or the labels are not `[N]`
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
