import { BrokerUnavailableError, DiskFullError, DiskUnavailableError, type StreamError } from "../../base/errors.ts";
import type { Change } from "../../embedded/change.ts";
import type { EmbeddedCluster } from "../../embedded/cluster.ts";

/** Where an embedded broker keeps its changes. */
export interface ChangeJournal {
  /** Takes a change into its buffer. The records of a batch are not changed afterwards. */
  append(change: Change): void;
  /** Resolves when all changes appended before the call are durable. */
  sync(): Promise<void>;
}

/**
 * Nobody sees what is not durable: each reply, to readers too, waits for the sync that covers everything appended
 * before it. Syncs do not overlap, so what comes during one shares the next.
 */
export class JournalGate {
  readonly #journal: ChangeJournal;
  readonly #stop: () => void;
  #appended = 0;
  #synced = 0;
  #sync: Promise<void> | null = null;
  #failure: StreamError | null = null;

  /**
   * @param cluster Whose changes to keep.
   * @param journal Where to keep them.
   */
  constructor(cluster: EmbeddedCluster, journal: ChangeJournal) {
    this.#journal = journal;
    this.#stop = cluster.onChange((change) => {
      this.#appended++;
      try {
        journal.append(change);
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  /** Whether everything is durable. */
  get isCovered(): boolean {
    return this.#synced === this.#appended && this.#failure === null;
  }

  /**
   * Waits until everything appended so far is durable.
   *
   * @throws {DiskFullError | DiskUnavailableError | BrokerUnavailableError} with outcome `unknown` when the journal failed:
   * memory is ahead of it for good.
   */
  async covered(): Promise<void> {
    const target = this.#appended;
    while (this.#failure === null && this.#synced < target) {
      this.#sync ??= this.#syncOnce();
      await this.#sync;
    }
    if (this.#failure !== null) throw this.#failure;
  }

  /** Takes no further changes; what was appended is made durable. */
  async close(): Promise<void> {
    this.#stop();
    await this.covered();
  }

  async #syncOnce(): Promise<void> {
    const target = this.#appended;
    try {
      await this.#journal.sync();
      this.#synced = target;
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#sync = null;
    }
  }

  /** What stopped the journal decides what the client hears: a full disk is to be mended, not to be tried again. */
  #fail(cause: unknown): void {
    if (this.#failure !== null) return;
    const found = cause instanceof Error ? cause.message : String(cause);
    const message =
      `The journal of the embedded broker failed, its last changes may be lost: mend the cause and open it again: ${found}`;
    const options = { outcome: "unknown", cause } as const;
    this.#failure = cause instanceof DiskFullError
      ? new DiskFullError(message, options)
      : cause instanceof DiskUnavailableError
      ? new DiskUnavailableError(message, options)
      : new BrokerUnavailableError(message, options);
  }
}
