import { extname } from 'node:path';
import { forPublished, publishedForms } from '@alex/model-alexnet';
import { ConfigError, type HostTensor } from '@alex/tensor';
import { type RunConfig, writeCaffeMean, writeCaffemodel } from '@alex/trainer';
import { writeResult } from '../write-result.js';
import type { Exporter } from './exporter.js';
import { meanColour, meanImageOf } from './mean.js';
import { caffeLayers, prototxtOf } from './prototxt.js';

/** A caffemodel, and the files that Caffe keeps besides: the network, the mean image, the names of the classes. */
export const exportCaffe: Exporter = async ({ config, description, weights }, { to }) => {
  const { variant } = config.model;
  const form = [publishedForms.caffe, publishedForms.caffenet].find((one) => one.variant === variant);
  if (!form) {
    throw new ConfigError(
      `--format caffe: this network is ${variant}; only caffe and caffenet are what Caffe's files describe, give --format onnx or safetensors`,
    );
  }
  const base = to.slice(0, to.length - extname(to).length);
  const files = { prototxt: `${base}.prototxt`, mean: `${base}.binaryproto`, labels: `${base}.labels.txt` };
  if (Object.values(files).includes(to)) {
    throw new ConfigError(
      `--to ${to}: is the name of what lies beside the weights; give one such as ${base}.caffemodel`,
    );
  }
  const tensors = forPublished(weights, form, description, config.images.scale);
  await writeCaffemodel(to, { name: description.name, layers: caffeLayers(description), tensors });
  await writeResult(files.prototxt, prototxtOf(description));
  await writeCaffeMean(files.mean, meanInBgr(config));
  await writeResult(files.labels, config.data.classes.map((name) => `${name.replaceAll(/\s+/g, ' ')}\n`).join(''));
  return {
    files: [to, ...Object.values(files)],
    remarks: [
      `takes blue, green and red pixels from 0 to 255, minus the mean image ${files.mean}; here: --weights ${to} --mean ${files.mean} --labels ${files.labels}.`,
    ],
  };
};

/** The mean image `[1, C, H, W]`, its channels reversed. */
function meanInBgr(config: RunConfig): HostTensor {
  const { channels, height, width } = config.data;
  const plane = height * width;
  const colour = meanColour(config);
  const image = meanImageOf(config);
  const data = new Float32Array(channels * plane);
  for (let channel = 0; channel < channels; channel++) {
    const values = image?.data.subarray(channel * plane, (channel + 1) * plane);
    const at = (channels - 1 - channel) * plane;
    if (values) data.set(values, at);
    else data.fill(colour[channel]!, at, at + plane);
  }
  return { shape: [1, channels, height, width], data };
}
