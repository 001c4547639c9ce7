import { hasConfig, removeUnfinishedConfigs } from './config-file.js';
import { heldBy } from './lock-file.js';
import { type LockOptions, lockRun, type RunLock } from './run-lock.js';

/** The lock of a run's directory while this process holds it. A run and its changed version share one. */
export class RunHold {
  readonly #path: string;
  #lock: RunLock | undefined;
  /** Whether some work relies on the lock. */
  #isInUse = false;
  /** The check in progress: what it makes again is made once. */
  #checking: Promise<unknown> = Promise.resolve();
  /** How often the directory was removed while it was held, and made again. */
  removals = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Takes the lock unless it is held, and removes what killed processes left unfinished.
   *
   * @throws as {@link lockRun}
   */
  async take(options: LockOptions): Promise<void> {
    if (this.#lock) return;
    this.#lock = await lockRun(this.#path, options);
    await removeUnfinishedConfigs(this.#path);
  }

  /** Releases the lock; does nothing if it is not held. */
  async release(): Promise<void> {
    const lock = this.#lock;
    this.#lock = undefined;
    await lock?.release();
  }

  /**
   * Takes the lock unless it is held, does some work that nothing else may do at the same time, and releases the lock.
   *
   * @throws ConfigError if other work of this process relies on the lock; as {@link lockRun}
   */
  async during<Result>(work: () => Promise<Result>, options: LockOptions): Promise<Result> {
    if (this.#isInUse) throw heldBy(this.#path, 'this very one');
    this.#isInUse = true;
    try {
      await this.take(options);
      return await work();
    } finally {
      this.#isInUse = false;
      await this.release();
    }
  }

  /**
   * Checks, before something is written, that the lock is still ours if it was taken.
   *
   * @param makeAgain called if the directory was removed: what is being learnt is worth more than its earlier files
   * @throws AlexError if another process has taken the run over; what `makeAgain` throws
   */
  check(makeAgain: () => Promise<void>): Promise<void> {
    const checked = this.#checking.then(async () => {
      if (this.#lock && !(await hasConfig(this.#path))) {
        await makeAgain();
        await this.#lock.restore();
        this.removals += 1;
      }
      await this.#lock?.check();
    });
    this.#checking = checked.catch(() => undefined);
    return checked;
  }
}
