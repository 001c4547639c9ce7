import { ConfigError } from '../errors.js';
import type { GPUBuffer } from '../platform/webgpu.js';
import type { ExchangeEnd } from './exchange.js';
import type { Message } from './message.js';
import { type Dispatch, isTransfer, type Operation, type Transfer } from './recorder.js';
import { bytesOf, bytesPerElement, type Tensor } from './tensor.js';

/** The start of a tensor's memory. */
export interface BufferPlace {
  readonly buffer: GPUBuffer;
  readonly offset: number;
}

/** A message, and the memory that it is sent from or received into. */
export interface End extends BufferPlace {
  readonly label: string;
  readonly message: Message;
}

/** The work of one submission: dispatches, then copies for sends. Receives are awaited before the next one. */
export interface Segment {
  readonly dispatches: Dispatch[];
  readonly sends: End[];
  readonly receives: End[];
}

/** Splits a program where it waits for another adapter: after each send, and before received values are used. */
export function segmentsOf(
  operations: readonly Operation[],
  placeOf: (tensor: Tensor) => BufferPlace,
  end: ExchangeEnd | undefined,
): Segment[] {
  const segments: Segment[] = [];
  const add = (kind: keyof Segment, operation: Dispatch | End) => {
    const last = segments.at(-1);
    const fits =
      last && (kind === 'receives' || (last.receives.length === 0 && (kind === 'sends' || last.sends.length === 0)));
    const segment = fits ? last : { dispatches: [], sends: [], receives: [] };
    if (!fits) segments.push(segment);
    (segment[kind] as (Dispatch | End)[]).push(operation);
  };
  for (const operation of operations) {
    if (!isTransfer(operation)) add('dispatches', operation);
    else add(operation.direction === 'send' ? 'sends' : 'receives', endOf(operation, placeOf, end));
  }
  return segments.length > 0 ? segments : [{ dispatches: [], sends: [], receives: [] }];
}

function endOf(
  { label, direction, peer, tensor, part }: Transfer,
  placeOf: (tensor: Tensor) => BufferPlace,
  end: ExchangeEnd | undefined,
): End {
  if (!end) throw new ConfigError(`${label}: a program alone can neither send nor receive`);
  const { buffer, offset } = placeOf(tensor);
  const bytes = bytesOf({ ...tensor, ...part });
  const [from, to] = direction === 'send' ? [end.self, peer] : [peer, end.self];
  const first = (part?.first ?? 0) * bytesPerElement(tensor.dataType);
  return { label, message: end.exchange.message(label, from, to, bytes), buffer, offset: offset + first };
}
