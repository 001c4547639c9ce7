import { writeOnnx } from '@alex/onnx';
import { modelNotes } from '@alex/trainer';
import { writeResult } from '../write-result.js';
import type { Exporter } from './exporter.js';
import { meanColour, meanImageOf } from './mean.js';

/** Describes the images for programs that prepare them; this program reads the other notes. */
const aboutImages = {
  channels: 'RGB, N x C x H x W',
  preprocessing: '(pixel from 0 to 255 - mean) / scale, then the central inputSize x inputSize pixels of imageSize',
};

export const exportOnnx: Exporter = async ({ config, description, weights }, { to, withPreprocessing }) => {
  const { images, data } = config;
  const imageSize = [data.height, data.width] as const;
  const meanImage = meanImageOf(config);
  const { mean: noted = JSON.stringify(meanColour(config)), ...notes } = modelNotes(config);
  const model = writeOnnx(description, weights, {
    ...(withPreprocessing && {
      preprocessing: { imageSize, mean: meanImage ?? images.mean, scale: images.scale },
    }),
    metadata: { ...notes, mean: noted, ...aboutImages },
  });
  await writeResult(to, model);
  const [, height, width] = description.input;
  return {
    files: [to],
    remarks: [
      withPreprocessing
        ? `takes RGB pixels from 0 to 255 of images of ${imageSize.join(' x ')}, and gives the probabilities of the classes.`
        : `takes prepared images of ${height} x ${width}; its metadata says how, --with-preprocessing includes it.`,
      ...(meanImage && !withPreprocessing
        ? [
            'its metadata has the mean colour of the mean image that the run subtracts; --with-preprocessing includes the image itself.',
          ]
        : []),
    ],
  };
};
