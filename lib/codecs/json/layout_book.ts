import type { StructColumn } from "./nested_columns.ts";
import { compileScanner, type Scanner } from "./scanner.ts";
import { isSameLayout, type Layout, learnLayout } from "./scanner_layout.ts";

/** Layouts that are recognised at the same time. */
const LAYOUTS_MAX = 4;
/** Longest wait between two compilations, in rows that no layout took. */
const WAIT_MAX = 1 << 20;

/**
 * The layouts of the messages seen so far and the scanner compiled from them. A layout is learned from a row that the
 * scanner did not know. Each attempt multiplies the number of unknown rows before the next one, so that messages
 * without a steady layout cost few compilations; from batch to batch the wait
 * shrinks again.
 */
export class LayoutBook {
  /** The scanner, once there is one. */
  scanner: Scanner | null = null;
  /** Rows that each layout has taken in the last few batches. */
  readonly hits: Float64Array = new Float64Array(LAYOUTS_MAX);
  /** Number of compilations. */
  compilations = 0;
  readonly #root: StructColumn;
  #layouts: Layout[] = [];
  #isEvalAllowed: boolean;
  #unknown = 0;
  #wait = 1;

  /** @param root The row's column. @param isEvalAllowed Whether code may be generated. */
  constructor(root: StructColumn, isEvalAllowed: boolean) {
    this.#root = root;
    this.#isEvalAllowed = isEvalAllowed;
  }

  /**
   * Notes a row that no layout took but the general parser accepted.
   *
   * @returns Whether there is a new scanner because of it.
   */
  miss(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.#isEvalAllowed || ++this.#unknown < this.#wait) return false;
    const unknown = this.#unknown;
    this.#unknown = 0;
    this.#wait = Math.min(2 * this.#wait, WAIT_MAX);
    const layout = learnLayout(this.#root, bytes, start, end);
    if (layout === null || this.#layouts.some((known) => isSameLayout(known, layout))) return false;
    return this.#add(layout, unknown);
  }

  /** Notes that a batch has ended in which `unknown` of `rows` rows were not scanned. */
  settle(rows: number, unknown: number): void {
    // Nearly all known: the next new layout is learned soon. Else the wait shrinks slowly, so that messages without a
    // steady layout are given another try every few dozen batches.
    this.#wait = Math.max(1, this.#wait * (unknown * 10 < rows ? 0.5 : 0.95));
    // Old hits fade, so that a layout that is no longer sent makes way.
    for (let i = 0; i < LAYOUTS_MAX; i++) this.hits[i]! *= 0.75;
  }

  #add(layout: Layout, unknown: number): boolean {
    const layouts = [...this.#layouts];
    let index = layouts.length;
    if (index === LAYOUTS_MAX) {
      index = 0;
      for (let i = 1; i < LAYOUTS_MAX; i++) if (this.hits[i]! < this.hits[index]!) index = i;
      // What it would replace is of more use than anything that was unknown.
      if (this.hits[index]! > unknown) return false;
      // With the book full a new layout costs an old one, so it is tried more seldom.
      this.#wait = Math.min(4 * this.#wait, WAIT_MAX);
    }
    layouts[index] = layout;
    try {
      this.scanner = compileScanner(this.#root, layouts);
    } catch (error) {
      if (!(error instanceof EvalError)) throw error;
      this.#isEvalAllowed = false;
      return false;
    }
    this.#layouts = layouts;
    this.hits[index] = 0;
    this.compilations++;
    return true;
  }
}
