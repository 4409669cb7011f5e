import type { Change } from "./change.ts";
import type { ClusterState } from "./cluster_state.ts";
import type { Moved } from "./moved.ts";
import type { Troubles } from "./troubles.ts";

export type { Troubles } from "./troubles.ts";

/** Options of an embedded cluster. */
export interface EmbeddedClusterOptions {
  /** Retention: the oldest batches of a partition go when it holds more bytes than this. @default {1_073_741_824} */
  retentionBytes?: number;
  /** Retention by number of records of a partition. @default {Infinity} */
  retentionRecords?: number;
  /** Greatest size of one record (key, value and headers) in bytes. @default {1_048_576} */
  recordBytesMax?: number;
  /** Greatest size of commit metadata in bytes of UTF-8. @default {4_096} */
  metadataBytesMax?: number;
  /** Greatest transaction timeout that a producer may ask for, in milliseconds. @default {900_000} */
  transactionTimeoutMsMax?: number;
}

/** What requests work on. */
export interface Core {
  /** The state: read by requests, changed by `emit` only (volatile fields of members apart). */
  readonly state: ClusterState;
  /** Resolved options. */
  readonly options: Readonly<Required<EmbeddedClusterOptions>>;
  /** While set, ended transactions stay in Prepare: their markers are written later, as real coordinators do. */
  readonly holdsMarkers: boolean;
  /** Troubles that pass. */
  readonly troubles: Troubles;
  /** Applies a change and tells the observers. */
  emit(change: Change): void;
  /** Tells the observers that something volatile moved (members, rebalances). @param moved What. @default everything */
  touch(moved?: Moved): void;
}

/** The two clocks at a request, as the caller read them. */
export interface Times {
  /** Wall time, epoch milliseconds: stamps only. */
  readonly wallMs: number;
  /** Monotonic time in milliseconds: all timeouts. */
  readonly monotonicMs: number;
}
