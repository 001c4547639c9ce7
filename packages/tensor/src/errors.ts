/** The base of every error this project throws on purpose: its message is meant for people. */
export class AlexError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A shape that does not fit: names the layer, what it got and what would fit. */
export class ShapeError extends AlexError {}

/** An option that is not allowed: names the option, its value and the allowed values. */
export class ConfigError extends AlexError {}

/** Data that cannot be used: names the file or image and what is wrong with it. */
export class DataError extends AlexError {}

/** No adapter, an unknown one, one that was lost, or one whose limits are too small. */
export class AdapterError extends AlexError {}

/** An adapter that was lost: reset, unplugged, or given up by its driver. It can often be opened again. */
export class AdapterLostError extends AdapterError {}

/** More memory than the adapter has, or gives. */
export class MemoryError extends AdapterError {
  /** The largest batch that would fit, where that is known; 0 where none does. */
  readonly largestBatch: number | undefined;

  constructor(message: string, options: ErrorOptions & { readonly largestBatch?: number } = {}) {
    super(message, options);
    this.largestBatch = options.largestBatch;
  }
}

/** A weights or checkpoint file that is torn, foreign or does not fit the network. */
export class CheckpointError extends AlexError {}
