import { type FileHandle, open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { AlexError } from '@alex/tensor';
import crc32c from 'crc-32/crc32c.js';
import protobuf from 'protobufjs';
import { describeFileError, writeAll } from './file.js';
import type { Metrics } from './metrics.js';

/** Prefix of TensorBoard's event files. */
export const eventFilePrefix = 'events.out.tfevents.';

/** The part of TensorFlow's `event.proto` and `summary.proto` needed for scalars. */
const eventType = protobuf
  .parse(`
    syntax = "proto3";
    message Event {
      double wall_time = 1;
      int64 step = 2;
      oneof what { string file_version = 3; Summary summary = 5; SessionLog session_log = 7; }
    }
    message Summary {
      // In a oneof, as in TensorFlow's own: only there a 0 is written.
      message Value { string tag = 1; oneof value { float simple_value = 2; } }
      repeated Value value = 1;
    }
    message SessionLog {
      enum SessionStatus { STATUS_UNSPECIFIED = 0; START = 1; }
      SessionStatus status = 1;
    }
  `)
  .root.lookupType('Event');

const sessionStart = 1;

/**
 * A file of a run's metrics for TensorBoard, next to its `metrics.jsonl`. Each process that trains the run writes its
 * own; TensorBoard merges them, and drops steps of earlier files that later ones repeat.
 */
export class EventFile {
  readonly path: string;
  #file: FileHandle | undefined;
  #writing: Promise<void>;
  #failure: AlexError | undefined;

  /**
   * Creates a file in a directory; `close` reports errors.
   *
   * @param step the first one that will be written
   */
  constructor(directory: string, step: number) {
    const now = Date.now();
    const seconds = String(Math.floor(now / 1000)).padStart(10, '0');
    this.path = join(directory, `${eventFilePrefix}${seconds}.${hostname()}.${process.pid}.${now % 1000}`);
    this.#writing = this.#attempt(async () => {
      this.#file = await open(this.path, 'wx');
    });
    this.#append({ fileVersion: 'brain.Event:2' });
    // Events of earlier files for this and later steps became obsolete when the run went back to a checkpoint.
    this.#append({ step, sessionLog: { status: sessionStart } });
  }

  /** Adds a line of metrics; when this returns, it is queued for writing. */
  add({ step, split, loss, top1Error, top5Error, epoch, learningRate, imagesPerSecond, extra }: Metrics): void {
    const scalars = {
      [`loss/${split}`]: loss,
      [`top-1 error/${split}`]: top1Error,
      [`top-5 error/${split}`]: top5Error,
      [`images per second/${split}`]: imagesPerSecond,
      ...(split === 'train' && { 'learning rate': learningRate, epoch }),
      ...extra,
    };
    this.#scalars(step, scalars);
  }

  /** Adds a custom value under a name; TensorBoard groups names by their part before a `/`. */
  scalar(name: string, step: number, value: number): void {
    this.#scalars(step, { [name]: value });
  }

  /**
   * Waits until everything is in the file, and closes it.
   *
   * @throws AlexError if something could not be written; everything before it is completely in the file
   */
  async close(): Promise<void> {
    await this.#writing;
    await this.#file?.close();
    if (this.#failure) throw this.#failure;
  }

  #scalars(step: number, scalars: Readonly<Record<string, number>>): void {
    const value = Object.entries(scalars).map(([tag, simpleValue]) => ({ tag, simpleValue }));
    this.#append({ step, summary: { value } });
  }

  /** One record after another, and none after a failure: a truncated record would hide all that follow it. */
  #append(event: object): void {
    const record = recordOf(eventType.encode(eventType.fromObject({ wallTime: Date.now() / 1000, ...event })).finish());
    this.#writing = this.#writing.then(() => this.#attempt(() => writeAll(this.#file!, record)));
  }

  async #attempt(write: () => Promise<void>): Promise<void> {
    if (this.#failure) return;
    try {
      await write();
    } catch (error) {
      this.#failure = new AlexError(`${this.path}: could not be written: ${describeFileError(error)}`, {
        cause: error,
      });
    }
  }
}

/** A TFRecord: length, checksum of the length, content, checksum of the content. */
function recordOf(content: Uint8Array): Buffer {
  const record = Buffer.alloc(content.length + 16);
  record.writeBigUInt64LE(BigInt(content.length));
  record.writeUInt32LE(maskedChecksum(record.subarray(0, 8)), 8);
  record.set(content, 12);
  record.writeUInt32LE(maskedChecksum(content), content.length + 12);
  return record;
}

/** CRC-32C, rotated by 15 bits and offset, as in TensorFlow, so that data may contain checksums themselves. */
function maskedChecksum(bytes: Uint8Array): number {
  const checksum = crc32c.buf(bytes) >>> 0;
  return (((checksum >>> 15) | (checksum << 17)) + 0xa282ead8) >>> 0;
}
