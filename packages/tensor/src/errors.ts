/** Base class of all errors that this project throws on purpose. Their messages are written for users. */
export class AlexError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    // Minifiers change the names of classes, so the ones below also state theirs.
    this.name = new.target.name;
  }
}

/** A shape that does not fit: the message gives the layer, the actual shape and what would fit. */
export class ShapeError extends AlexError {
  override name = 'ShapeError';
}

/** An option that is not allowed: the message gives the option, its value and the allowed values. */
export class ConfigError extends AlexError {
  override name = 'ConfigError';
}

/** Unusable data: the message gives the file or image and what is wrong with it. */
export class DataError extends AlexError {
  override name = 'DataError';
}

/** There is no adapter, the adapter is unknown or was lost, or its limits are too small. */
export class AdapterError extends AlexError {
  override name = 'AdapterError';
}

/** An adapter that was lost: it was reset or unplugged, or its driver gave up. It can often be opened again. */
export class AdapterLostError extends AdapterError {
  override name = 'AdapterLostError';
}

/** More memory is needed than the adapter has, or provides. */
export class MemoryError extends AdapterError {
  override name = 'MemoryError';
  /** The largest batch that would fit, if known; 0 if none does. */
  readonly largestBatch: number | undefined;

  constructor(message: string, options: ErrorOptions & { readonly largestBatch?: number } = {}) {
    super(message, options);
    this.largestBatch = options.largestBatch;
  }
}

/** A weights or checkpoint file that is truncated, of an unknown format, or does not fit the network. */
export class CheckpointError extends AlexError {
  override name = 'CheckpointError';
}
