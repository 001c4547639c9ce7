import { expect, it } from 'vitest';
import { base64FromFloats, floatsFromBase64 } from './base64.js';

it('restores floats bit for bit', () => {
  const values = Float32Array.of(0, -0, 1.5, -1e-45, 3.4028234e38, 123.456, Number.POSITIVE_INFINITY);
  const back = floatsFromBase64(base64FromFloats(values));
  expect(new Uint32Array(back.buffer)).toEqual(new Uint32Array(values.buffer));
});

it('writes them little-endian on every machine', () => {
  // 1.0 is 3f800000 in hexadecimal, last byte first.
  expect(Buffer.from(base64FromFloats(Float32Array.of(1)), 'base64').toString('hex')).toBe('0000803f');
});

it('writes a part of a larger array', () => {
  const part = Float32Array.of(7, 8, 9, 10).subarray(1, 3);
  expect([...floatsFromBase64(base64FromFloats(part))]).toEqual([8, 9]);
});

it('encodes an empty array as an empty string', () => {
  expect(base64FromFloats(new Float32Array())).toBe('');
  expect(floatsFromBase64('')).toEqual(new Float32Array());
});
