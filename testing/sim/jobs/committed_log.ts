import type { Records } from "../../../lib/columns/records.ts";
import type { BatchAppended, MarkerAppended } from "../../../lib/embedded/change.ts";

/** Records of one append that a reader with `read_committed` sees now. */
export interface VisibleRecords {
  /** Partition number. */
  readonly partition: number;
  /** Offset of the first record. */
  readonly baseOffset: number;
  /** The records. */
  readonly records: Records;
}

interface Waiting extends VisibleRecords {
  readonly producerId: number;
  fate: "open" | "visible" | "aborted";
}

/**
 * One partition as a reader with `read_committed` sees it: appends come out in offset order once every transaction before
 * them is decided, and those of aborted transactions never do.
 */
export class CommittedLog {
  readonly #deliver: (visible: VisibleRecords) => void;
  #waiting: Waiting[] = [];

  /** @param deliver Gets each append when it becomes visible. */
  constructor(deliver: (visible: VisibleRecords) => void) {
    this.#deliver = deliver;
  }

  /** Appends that are not decided, or lie behind one that is not. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Takes in an append or the end of a transaction on this partition. */
  change(change: BatchAppended | MarkerAppended): void {
    if (change.kind === "marker-appended") {
      for (const each of this.#waiting) {
        if (each.fate === "open" && each.producerId === change.producerId) {
          each.fate = change.isCommit ? "visible" : "aborted";
        }
      }
    } else {
      const { partition, baseOffset, records, producerId, isTransactional } = change;
      this.#waiting.push({ partition, baseOffset, records, producerId, fate: isTransactional ? "open" : "visible" });
    }
    let decided = 0;
    while (decided < this.#waiting.length && this.#waiting[decided]!.fate !== "open") {
      const each = this.#waiting[decided++]!;
      if (each.fate === "visible") this.#deliver(each);
    }
    if (decided > 0) this.#waiting.splice(0, decided);
  }
}
