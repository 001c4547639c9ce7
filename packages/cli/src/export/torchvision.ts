import { publishedForms } from '@alex/model-alexnet';
import { ConfigError } from '@alex/tensor';
import { modelNotes, writeSafetensors } from '@alex/trainer';
import type { Exporter } from './exporter.js';
import { meanColour, meanImageOf } from './mean.js';

/** torchvision pools whatever the convolutions give to this height and width. */
const pooled = 6;

/** The names of `torchvision.models.alexnet(num_classes=N)`. */
export const exportTorchvision: Exporter = async ({ config, description, weights }, { to }) => {
  const { variant, inputSize } = config.model;
  if (variant !== publishedForms.torchvision.variant) {
    throw new ConfigError(
      `--format torchvision: this network is ${variant}, whose layers torchvision's alexnet does not have; give --format onnx or safetensors`,
    );
  }
  const [, , height, width] = description.layers.find(({ layer }) => layer.name === 'fc6')!.inputShape;
  if (height !== pooled || width !== pooled) {
    throw new ConfigError(
      `--format torchvision: with images of ${inputSize}, the first dense layer sees ${height} x ${width} positions, in torchvision always ${pooled} x ${pooled}; give --format onnx or safetensors`,
    );
  }
  const names: Readonly<Record<string, string>> = publishedForms.torchvision.layers;
  const tensors = Object.fromEntries(
    description.layers.flatMap(({ layer, parameters }) =>
      parameters.map(({ name, path }) => [`${names[layer.name]}.${name}`, weights[path]!] as const),
    ),
  );
  const mean = meanColour(config);
  await writeSafetensors(to, tensors, { ...modelNotes(config), mean: JSON.stringify(mean) });
  const normalize = mean.map((value) => (value / 255).toFixed(4)).join(', ');
  const deviation = (config.images.scale / 255).toFixed(4);
  return {
    files: [to],
    remarks: [
      `is for torchvision.models.alexnet(num_classes=${config.data.classes.length}), after Normalize([${normalize}], [${mean.map(() => deviation).join(', ')}]).`,
      ...(meanImageOf(config) ? ['this mean is that of the mean image that the run subtracts.'] : []),
    ],
  };
};
