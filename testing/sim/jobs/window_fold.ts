/** One record that is counted. */
export interface WindowRecord {
  /** Offset. */
  readonly offset: number;
  /** Event time in epoch milliseconds. */
  readonly eventTimeMs: number;
  /** What it is counted by; `undefined`: it only moves time. */
  readonly key: string | undefined;
}

/** Lengths of a window in milliseconds. */
export interface WindowLengths {
  /** Of a window. */
  readonly sizeMs: number;
  /** How long it stays open after the watermark has passed its end. */
  readonly allowedLatenessMs: number;
  /** Watermark = task time - this. */
  readonly outOfOrdernessMs: number;
}

/** A window that is closed. */
export interface ClosedWindow {
  /** What was counted by. */
  readonly key: string;
  /** Start in epoch milliseconds. */
  readonly startMs: number;
  /** Records in it. */
  readonly count: number;
}

interface OpenWindow {
  readonly key: string;
  readonly startMs: number;
  count: number;
}

/**
 * What windows of one partition must count: one record after the other, one jump of time after the other, on a plain map.
 * Lateness is judged before each record, so it does not matter where batches were cut.
 */
export class WindowFold {
  /** Records that came too late. */
  lateRows = 0;
  readonly #lengths: WindowLengths;
  readonly #closed: (window: ClosedWindow) => void;
  readonly #open = new Map<string, OpenWindow>();
  #taskTimeMs = -Infinity;
  #earliestMs = Infinity;

  /**
   * @param lengths Size, lateness and disorder.
   * @param closed Is told of each window when it closes.
   */
  constructor(lengths: WindowLengths, closed: (window: ClosedWindow) => void) {
    this.#lengths = lengths;
    this.#closed = closed;
  }

  /** Takes in the next record. */
  record({ eventTimeMs, key }: WindowRecord): void {
    if (key !== undefined) this.#count(key, eventTimeMs);
    this.jump(eventTimeMs);
  }

  /** Time moves on, if it does. */
  jump(taskTimeMs: number): void {
    if (taskTimeMs <= this.#taskTimeMs) return;
    this.#taskTimeMs = taskTimeMs;
    if (!this.#isOver(this.#earliestMs)) return;
    this.#earliestMs = Infinity;
    for (const [place, window] of this.#open) {
      if (this.#isOver(window.startMs)) {
        this.#open.delete(place);
        this.#closed(window);
      } else if (window.startMs < this.#earliestMs) this.#earliestMs = window.startMs;
    }
  }

  #count(key: string, eventTimeMs: number): void {
    const { sizeMs } = this.#lengths;
    const startMs = Math.floor(eventTimeMs / sizeMs) * sizeMs;
    if (this.#isOver(startMs)) {
      this.lateRows += 1;
      return;
    }
    const place = `${startMs}/${key}`;
    const window = this.#open.get(place) ?? { key, startMs, count: 0 };
    window.count += 1;
    this.#open.set(place, window);
    if (startMs < this.#earliestMs) this.#earliestMs = startMs;
  }

  #isOver(startMs: number): boolean {
    const { sizeMs, allowedLatenessMs, outOfOrdernessMs } = this.#lengths;
    return startMs + sizeMs + allowedLatenessMs <= this.#taskTimeMs - outOfOrdernessMs;
  }
}
