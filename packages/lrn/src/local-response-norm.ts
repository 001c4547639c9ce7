import { type Layer, type Shape, ShapeError } from '@alex/tensor';
import { imageShape, shareOfColumn } from '@alex/tensor/kernels';
import { recordAcrossMaps, recordAcrossMapsGradient } from './across-maps.js';
import { formulaOf } from './formula.js';
import { type LocalResponseNormOptions, type NormOptions, normOptions } from './options.js';
import { recordWithinMap, recordWithinMapGradient } from './within-map.js';

/**
 * Local response normalization of images `[N, C, H, W]` (section 3.3 of the paper; the 2012 code's `cmrnorm`, and its
 * `rnorm` with `across: 'space'`). Every element is divided by `(k + alpha * sum)^beta`, where `sum` is the sum of the
 * squares in a window around it. The output has the input's shape.
 *
 * A window is `size` maps at the same position, or with `across: 'space'`, `size` by `size` positions in the same map.
 * It begins `floor(size / 2)` before its element, so a window of even size covers one more element before than after,
 * as in cuda-convnet and PyTorch (the opposite of ONNX). Values outside the image or the group count as zero.
 *
 * The layer has no parameters. A NaN in a window gives NaN. Squares are float32: an activation beyond 1.8e19 counts as
 * infinite.
 *
 * @throws ConfigError immediately, for an invalid option; ShapeError if the input is not `[N, C, H, W]` or its channels
 * are not a multiple of `groups`
 *
 * @example
 * The paper's, with size 5, alpha 1e-4, beta 0.75 and k 2:
 * ```ts
 * localResponseNorm();
 * ```
 * Caffe's and PyTorch's defaults:
 * ```ts
 * localResponseNorm({ k: 1, alphaPerElement: true });
 * ```
 */
export function localResponseNorm(options: LocalResponseNormOptions = {}): Layer {
  return layerOf(normOptions(options));
}

function layerOf(options: NormOptions): Layer {
  const { name, ...given } = options;
  const { size, across, groups } = given;
  const formula = formulaOf(options);
  const norm = { label: name, formula, size, groups };
  return {
    kind: 'localResponseNorm',
    name,
    options: given,
    outputShape(input) {
      const [, channels] = imageShape(name, input);
      if (across === 'maps' && channels % groups !== 0) {
        throw new ShapeError(
          `${name}: ${channels} channels cannot be divided into ${groups} groups; give a number of groups that divides ${channels}`,
        );
      }
      return input;
    },
    parameters: () => [],
    multiplyAdds: () => 0,
    ...(across === 'maps' && {
      // Four images at a time.
      takesGather: ([images]: Shape) => images! % 4 === 0,
    }),
    forward(recorder, { input, training }) {
      const output = recorder.activation(`${name}/output`, input.shape);
      if (across === 'maps') {
        recordAcrossMaps(recorder, norm, input, output);
        return { output };
      }
      if (!training) {
        recordWithinMap(recorder, norm, { input, output, denominators: undefined });
        return { output };
      }
      const denominators = recorder.tensor(`${name}/denominators`, input.shape);
      recordWithinMap(recorder, norm, { input, output, denominators });
      return { output, kept: { denominators } };
    },
    takesGradientEpilogue: true,
    backward(recorder, { input, outputGradient, kept, needsInputGradient, epilogue, gather }) {
      if (!needsInputGradient) return {};
      const inputGradient = recorder.activation(`${name}/inputGradient`, input.shape);
      if (across === 'maps') {
        recordAcrossMapsGradient(recorder, norm, { input, outputGradient, inputGradient }, epilogue, gather);
        return { inputGradient };
      }
      // Nothing is kept outside training, so the forward pass runs again.
      const { denominators } = kept ?? this.forward(recorder, { input, parameters: {}, training: true }).kept!;
      const tensors = { input, outputGradient, denominators: denominators!, inputGradient };
      recordWithinMapGradient(recorder, norm, tensors, epilogue);
      return { inputGradient };
    },
    column(column) {
      if (across === 'space' || column.span === column.count) return this;
      return layerOf({ ...options, groups: shareOfColumn(name, 'groups', groups, column) });
    },
  };
}
