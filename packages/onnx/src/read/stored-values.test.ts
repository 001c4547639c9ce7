import type { HostTensor } from '@alex/tensor';
import { toHalves } from '@alex/tensor/kernels';
import { describe, expect, it } from 'vitest';
import { dataTypes } from '../protobuf/messages.js';
import { build } from '../testing/build-model.js';
import { pytorch, weights } from '../testing/models.js';
import { difference } from '../testing/runtime.js';
import { type ReadOnnxOptions, readOnnx } from './read-onnx.js';

describe('weights are read', () => {
  it.each<[string, number, (tensor: HostTensor) => object, number]>([
    [
      'float16',
      1e-3,
      ({ data }) => ({ dataType: dataTypes.float16, raw: new Uint8Array(toHalves(data).buffer, 0, 2 * data.length) }),
      0,
    ],
    [
      'float16, number by number',
      1e-3,
      ({ data }) => ({ dataType: dataTypes.float16, int32s: [...toHalves(data)].slice(0, data.length) }),
      0,
    ],
    [
      'double',
      0,
      ({ data }) => ({ dataType: dataTypes.double, raw: new Uint8Array(Float64Array.from(data).buffer) }),
      0,
    ],
    [
      'double, number by number',
      0,
      ({ data }) => ({ dataType: dataTypes.double, doubles: Float64Array.from(data) }),
      0,
    ],
    [
      'bfloat16',
      1e-2,
      ({ data }) => ({
        dataType: dataTypes.bfloat16,
        raw: new Uint8Array(Uint16Array.from(new Uint32Array(data.buffer), (word) => word >>> 16).buffer),
      }),
      0,
    ],
  ])('with weights of %s', async (_, tolerance, convert) => {
    const weight = weights('w8', 5, 16);
    const constants = { ...pytorch.constants, 'classifier.6.weight': { dims: [5, 16], ...convert(weight) } };
    const { parameters } = await readOnnx(build({ ...pytorch, constants }));
    expect(difference(parameters['fc4.weight']!, weight)).toBeLessThanOrEqual(tolerance);
  });

  it('with weights in another file', async () => {
    const weight = weights('w8', 5, 16);
    const file = new Uint8Array([1, 2, 3, ...new Uint8Array(weight.data.buffer)]);
    const external = (location: string, length = 320) => ({
      ...{ dims: [5, 16], dataType: dataTypes.float, dataLocation: 1 },
      externalData: Object.entries({ location, offset: '3', length: `${length}` }).map(([key, value]) => ({
        key,
        value,
      })),
    });
    const read = (tensor: object, options: ReadOnnxOptions) =>
      readOnnx(build({ ...pytorch, constants: { ...pytorch.constants, 'classifier.6.weight': tensor } }), options);
    const externalData = async (location: string) => {
      expect(location).toBe('model.data');
      return file;
    };
    const { parameters } = await read(external('model.data'), { externalData });
    expect(parameters['fc4.weight']).toEqual(weight);
    await expect(read(external('model.data'), {})).rejects.toThrow(
      /classifier.6.weight: .*'model.data', which was not given/,
    );
    await expect(read(external('model.data', 321), { externalData })).rejects.toThrow(
      /323 bytes do not reach from 3 to 324/,
    );
    for (const outside of ['../model.data', '/etc/passwd', 'a/../../b', 'C:\\x', '']) {
      await expect(read(external(outside), { externalData })).rejects.toThrow(/which is not beside the model/);
    }
  });
});
