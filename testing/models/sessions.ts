/** One session: first and last time, and its rows. */
interface Session {
  readonly fromMs: number;
  readonly toMs: number;
  readonly rows: number;
}

/** Session windows in the simplest possible form: what a model compares with. */
export class Sessions {
  readonly #gapMs: number;
  #open: readonly Session[] = [];
  #late = 0;
  #emitted: readonly Session[] = [];

  /** @param gapMs A session ends after so much silence. */
  constructor(gapMs: number) {
    this.#gapMs = gapMs;
  }

  /** Sessions whose output was seen. */
  get emitted(): readonly Session[] {
    return this.#emitted;
  }

  /** Rows that were counted anywhere. */
  get rows(): number {
    return this.#emitted.reduce((sum, one) => sum + one.rows, 0) + this.#late;
  }

  /** The same state, with other outputs. */
  copy(emitted: readonly Session[] = []): Sessions {
    const copy = new Sessions(this.#gapMs);
    copy.#open = this.#open;
    copy.#late = this.#late;
    copy.#emitted = emitted;
    return copy;
  }

  /** Takes one row in; the watermark already knows it. */
  add(atMs: number, at: { readonly watermarkMs: number; readonly isLive: boolean }): void {
    if (atMs + this.#gapMs <= at.watermarkMs) {
      this.#late++;
      return;
    }
    let merged: Session = { fromMs: atMs, toMs: atMs, rows: 1 };
    const others: Session[] = [];
    for (const one of this.#open) {
      if (atMs > one.toMs + this.#gapMs || atMs < one.fromMs - this.#gapMs) {
        others.push(one);
        continue;
      }
      merged = {
        fromMs: Math.min(merged.fromMs, one.fromMs),
        toMs: Math.max(merged.toMs, one.toMs),
        rows: merged.rows + one.rows,
      };
    }
    this.#open = [...others, merged];
    this.close(at.watermarkMs, at.isLive);
  }

  /** Ends sessions that the watermark has passed; a replay drops their output. */
  close(watermarkMs: number, isLive: boolean): void {
    const isOver = (one: Session) => one.toMs + this.#gapMs <= watermarkMs;
    if (isLive) this.#emitted = [...this.#emitted, ...this.#open.filter(isOver)];
    this.#open = this.#open.filter((one) => !isOver(one));
  }
}
