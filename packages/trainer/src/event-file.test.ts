import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AlexError } from '@alex/tensor';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { EventFile } from './event-file.js';
import type { Metrics } from './metrics.js';

const directory = temporaryFolder();
const other = temporaryFolder();

/** CRC-32C bit by bit, from its polynomial. */
function checksum(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  const whole = BigInt((crc ^ 0xffffffff) >>> 0);
  return Number((((whole >> 15n) | (whole << 17n)) + 0xa282ead8n) & 0xffffffffn);
}

/** The records of a file, parsed by the format's own description. */
function recordsOf(bytes: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    expect(bytes.readUInt32LE(at + 8)).toBe(checksum(bytes.subarray(at, at + 8)));
    const content = bytes.subarray(at + 12, at + 12 + length);
    expect(content).toHaveLength(length);
    expect(bytes.readUInt32LE(at + 12 + length)).toBe(checksum(content));
    records.push(content);
    at += length + 16;
  }
  return records;
}

/** Fields of a protobuf message by number: varints as numbers, doubles, floats, and bytes. */
function fieldsOf(bytes: Buffer): [number, number | Buffer][] {
  const fields: [number, number | Buffer][] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = tag >> 3;
    if ((tag & 7) === 0) fields.push([number, varint()]);
    else if ((tag & 7) === 1) {
      fields.push([number, bytes.readDoubleLE(at)]);
      at += 8;
    } else if ((tag & 7) === 5) {
      fields.push([number, bytes.readFloatLE(at)]);
      at += 4;
    } else {
      const length = varint();
      fields.push([number, bytes.subarray(at, at + length)]);
      at += length;
    }
  }
  return fields;
}

/** Step and scalars of an event. */
function scalarsOf(record: Buffer) {
  const event = new Map(fieldsOf(record));
  const values = fieldsOf(event.get(5) as Buffer).map(([, value]) => new Map(fieldsOf(value as Buffer)));
  return {
    step: event.get(2),
    seconds: event.get(1),
    scalars: Object.fromEntries(values.map((value) => [(value.get(1) as Buffer).toString(), value.get(2)])),
  };
}

const metrics = (step: number, split: Metrics['split']): Metrics => ({
  step,
  epoch: step / 300,
  split,
  loss: 2.5,
  top1Error: 0.75,
  top5Error: 0.25,
  learningRate: 0.0078125,
  imagesPerSecond: 123.5,
});

describe('EventFile', () => {
  it('stores custom values, alone and with metrics', async () => {
    const events = new EventFile(other, 1);
    events.scalar('norms/conv1', 7, 0.5);
    events.add({ ...metrics(8, 'val'), extra: { beta: 0.25 } });
    await events.close();
    const [, , alone, beside] = recordsOf(await readFile(events.path));
    expect(scalarsOf(alone!)).toMatchObject({ step: 7, scalars: { 'norms/conv1': 0.5 } });
    expect(scalarsOf(beside!)).toMatchObject({ step: 8, scalars: { 'loss/val': 2.5, beta: 0.25 } });
  });

  it('contains what TensorBoard reads: events in records with checksums', async () => {
    const before = Date.now() / 1000;
    const events = new EventFile(directory, 41);
    for (let step = 41; step <= 300; step++) events.add(metrics(step, 'train'));
    events.add({ ...metrics(300, 'val'), top5Error: 0 });
    await events.close();
    const [name] = await readdir(directory);
    expect(name).toMatch(/^events\.out\.tfevents\.\d{10}\./);
    const records = recordsOf(await readFile(join(directory, name!)));
    expect(records).toHaveLength(263);
    const version = new Map(fieldsOf(records[0]!));
    expect(version.get(3)?.toString()).toBe('brain.Event:2');
    // The start of a session: TensorBoard discards what earlier files say about this step and later ones.
    const start = new Map(fieldsOf(records[1]!));
    expect([start.get(2), fieldsOf(start.get(7) as Buffer)]).toEqual([41, [[1, 1]]]);
    const { step, seconds, scalars } = scalarsOf(records[261]!);
    expect(step).toBe(300);
    expect(seconds).toBeGreaterThanOrEqual(before);
    expect(seconds).toBeLessThanOrEqual(Date.now() / 1000);
    expect(scalars).toEqual({
      'loss/train': 2.5,
      'top-1 error/train': 0.75,
      'top-5 error/train': 0.25,
      'images per second/train': 123.5,
      'learning rate': 0.0078125,
      epoch: 1,
    });
    expect(scalarsOf(records[262]!)).toMatchObject({
      step: 300,
      scalars: { 'loss/val': 2.5, 'top-5 error/val': 0 },
    });
  });

  it('names a file that cannot be written', async () => {
    const events = new EventFile(join(directory, 'missing'), 0);
    events.add(metrics(1, 'train'));
    const closing = events.close();
    await expect(closing).rejects.toThrow(AlexError);
    await expect(closing).rejects.toThrow(/tfevents.* could not be written: there is no such file or directory/);
  });
});
