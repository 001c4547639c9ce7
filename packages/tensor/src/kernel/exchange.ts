import type { Gpu } from '../adapter/gpu.js';
import { ConfigError } from '../errors.js';
import { localMessage } from './local-message.js';
import type { MakeMessage, Message } from './message.js';

/**
 * All transfers between the programs of several adapters; created before the first run, and not used within a run on
 * one adapter.
 */
export class Exchange {
  readonly #gpus: readonly Gpu[];
  readonly #makeMessage: MakeMessage;
  readonly #messages = new Map<string, Message>();
  #failure: { readonly error: unknown } | undefined;

  /**
   * @param gpus - the adapters by their numbers
   * @param makeMessage - how values are transferred; default: within this process
   */
  constructor(gpus: readonly Gpu[], makeMessage: MakeMessage = localMessage) {
    this.#gpus = gpus;
    this.#makeMessage = makeMessage;
  }

  /**
   * The message with this label from one adapter to another; created on first request. Programs that never run at the
   * same time may share it.
   *
   * @throws ConfigError if its ends disagree about the number of bytes
   */
  message(label: string, from: number, to: number, bytes: number): Message {
    const key = `${label} from ${from} to ${to}`;
    let message = this.#messages.get(key);
    if (!message) {
      message = this.#makeMessage({ label, from, to, bytes }, this.#gpus);
      this.#messages.set(key, message);
    }
    if (message.bytes !== bytes) {
      throw new ConfigError(`${key}: one end is for ${message.bytes} bytes, the other for ${bytes}`);
    }
    return message;
  }

  /** Throws the error that made it fail. */
  check(): void {
    if (this.#failure) throw this.#failure.error;
  }

  /** Ends all waits, now and later: no adapter continues after another has failed. */
  fail(error: unknown): void {
    this.#failure = { error };
    for (const message of this.#messages.values()) message.fail(error);
  }

  dispose(): void {
    for (const message of this.#messages.values()) message.dispose();
    this.#messages.clear();
  }
}

/** The end of an exchange at one of its adapters. */
export interface ExchangeEnd {
  readonly exchange: Exchange;
  /** The number of the adapter. */
  readonly self: number;
}
