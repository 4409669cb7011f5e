import { applyChange } from "./apply_change.ts";
import type { Change } from "./change.ts";
import { type ClusterState, emptyState } from "./cluster_state.ts";
import type { Core, EmbeddedClusterOptions } from "./core.ts";
import { EVERYTHING, type Moved, movedBy } from "./moved.ts";
import { noTroubles, type Troubles } from "./troubles.ts";

/** State, options and observers of a cluster: what its requests work on. */
export class ClusterCore implements Core {
  readonly state: ClusterState = emptyState();
  readonly troubles: Troubles = noTroubles();
  readonly options: Readonly<Required<EmbeddedClusterOptions>>;
  /** Told of each change that a request makes. */
  readonly changeObservers: Set<(change: Change) => void> = new Set();
  /** Told whenever anything moved, and what. */
  readonly activityObservers: Set<(moved: Moved) => void> = new Set();
  holdsMarkers = false;

  /**
   * @param options Bounds.
   * @throws {RangeError} when a bound is not a number above 0.
   */
  constructor(options: EmbeddedClusterOptions) {
    this.options = Object.freeze({
      retentionBytes: options.retentionBytes ?? 1_073_741_824,
      retentionRecords: options.retentionRecords ?? Infinity,
      recordBytesMax: options.recordBytesMax ?? 1_048_576,
      metadataBytesMax: options.metadataBytesMax ?? 4_096,
      transactionTimeoutMsMax: options.transactionTimeoutMsMax ?? 900_000,
    });
    for (const [name, value] of Object.entries(this.options)) {
      if (value > 0) continue;
      throw new RangeError(`Cannot create cluster as '${name}' must be a number > 0: current value is ${value}`);
    }
  }

  emit(change: Change): void {
    applyChange(this.state, change);
    for (const observer of this.changeObservers) observer(change);
    this.touch(movedBy(change));
  }

  touch(moved: Moved = EVERYTHING): void {
    for (const observer of this.activityObservers) observer(moved);
  }
}
