import { grown, type SlotColumn } from "./slot_column.ts";

/** Before-images of the slots that one open commit has touched, each once: as they were when it began. */
export class UndoLog {
  /** Which commit. */
  readonly serial: number;
  /** Slots in the order in which they were touched. */
  codes: Int32Array = new Int32Array(0);
  /** Their flags. */
  flags: Uint8Array = new Uint8Array(0);
  /** Their values. */
  readonly columns: SlotColumn[];
  /** Number of images. */
  count = 0;

  /** @param serial Which commit. @param columns Columns whose kind the images have. */
  constructor(serial: number, columns: readonly SlotColumn[]) {
    this.serial = serial;
    this.columns = columns.map((column) => column.sibling());
  }

  /** Makes room for `added` more images. */
  fit(added: number): void {
    const needed = this.count + added;
    if (needed <= this.codes.length) return;
    const capacity = Math.max(64, 2 * needed);
    this.codes = grown(this.codes, capacity);
    this.flags = grown(this.flags, capacity);
    for (const column of this.columns) column.fit(capacity);
  }

  /** Lets go of what the images hold. */
  release(): void {
    for (const column of this.columns) column.release();
  }
}
