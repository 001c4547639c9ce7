import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { normalPairFromBits, streamOf, threefry2x32 } from '../random/threefry.js';
import { InitialParameters } from './initial-parameters.js';
import { initialValues } from './initialize.js';
import type { LearnedParameter } from './optimizer.js';

const standardDeviation = 0.01;

function parameter(path: string, elements: number): LearnedParameter {
  const initial = { distribution: 'normal', standardDeviation } as const;
  return { name: 'weight', path, shape: [elements], initial, decays: true };
}

const hash = (values: Float32Array) => createHash('sha256').update(new Uint8Array(values.buffer)).digest('hex');

describe('initial values', () => {
  test('are a function of the seed, the name and their position', () => {
    const values = initialValues(parameter('fc6.weight', 7), 3);
    const pairs = [0, 1, 2, 3].flatMap((pair) =>
      normalPairFromBits(...threefry2x32(3, streamOf('fc6.weight'), pair, 0)),
    );
    expect(values).toEqual(Float32Array.from(pairs.slice(0, 7), (value) => standardDeviation * value));
  });

  // A repeated run starts from the same bits in every version.
  test('have the same bits as in version 0.2', () => {
    expect(hash(initialValues(parameter('fc6.weight', 100_001), 3))).toBe(
      '64a4a37becb26881251895aa2d5c54c1d04b5bc5cb3a659608ba6c08fcb272da',
    );
    expect(hash(initialValues(parameter('conv1.weight', 34_848), 0xffff_ffff))).toBe(
      '91ec64768aa6b98052a1a6143cc43c0998d19fad9054b239eb79287e0d343a98',
    );
  });
});

describe('parameters are drawn when they are needed', () => {
  const parameters = ['conv1.weight', 'fc2.weight', 'fc3.weight'].map((path) => parameter(path, 5));
  const written = () => {
    const values = new Map<string, Float32Array>();
    let writes = 0;
    const initial = new InitialParameters(parameters, 4, ({ path }, drawn) => {
      values.set(path, drawn);
      writes++;
    });
    return { initial, values, writes: () => writes };
  };

  test('none before it is requested, and none twice', () => {
    const { initial, values, writes } = written();
    expect(writes()).toBe(0);
    initial.draw(['fc2.weight', 'fc2.weight', 'fc9.weight']);
    expect([...values.keys()]).toEqual(['fc2.weight']);
    initial.draw();
    initial.draw();
    expect(writes()).toBe(3);
    // The order makes no difference.
    for (const one of parameters) expect(values.get(one.path)).toEqual(initialValues(one, 4));
  });

  test('none after all were replaced', () => {
    const { initial, values } = written();
    initial.draw(['fc3.weight']);
    initial.replaced();
    initial.draw();
    expect([...values.keys()]).toEqual(['fc3.weight']);
  });
});
