/**
 * Every fault that a run may meet, by the part of the world that it strikes: **P**rocesses, **N**etwork, **B**roker log,
 * **G**roup, **T**ransactions, object **S**tore, local **D**isk, **C**locks, **U**ser code and data, **O**perations.
 */
export const FAULT_KINDS = {
  P1: "a process crashes",
  P2: "a process stands still for less than its session timeout",
  P3: "a process stands still for longer than its session timeout and comes back as a zombie",
  P4: "the event loop of a process stalls",
  P5: "a process is stopped in good order in the middle of a batch",
  P6: "user code throws",
  P7: "user code never settles",
  P8: "all processes are restarted in turn",
  P9: "a process crashes while it recovers",
  P10: "a process crashes while it closes",
  N1: "a request is lost",
  N2: "a reply is lost after the effect",
  N3: "a request is delayed and lands after its timeout",
  N4: "a request lands twice",
  N5: "requests of different connections change places",
  N6: "a process cannot reach the broker, or the broker cannot answer it",
  N7: "the network is clogged and lets everything through at once later",
  N8: "connections are reset while requests are under way",
  N9: "the broker asked is not the leader",
  B1: "a new leader takes over a partition",
  B2: "the broker restarts",
  B3: "a log is truncated",
  B4: "retention passes the position of a task",
  B5: "compaction leaves gaps in a log",
  B6: "a log goes on with control records only",
  B7: "a topic is deleted and created again",
  B8: "partitions are added to a topic",
  B9: "a partition has not enough replicas",
  B10: "a record is too large",
  B11: "a quota slows a client down",
  B12: "a record batch arrives damaged",
  B13: "a fetch is empty, or huge",
  G1: "members join and leave in a storm",
  G2: "the session of a member expires",
  G3: "a member polls too late",
  G4: "the coordinator moves",
  G5: "a commit has an old generation",
  G6: "partitions are revoked in the middle of a batch",
  G7: "partitions are lost",
  G8: "committed offsets expire",
  G9: "the reply to an offset commit is lost",
  G10: "a static member is taken over",
  G11: "two applications use one group",
  T1: "a transaction commits and the reply is lost",
  T2: "the end of a transaction is lost",
  T3: "the end of a transaction lands late, perhaps in a later transaction",
  T4: "the coordinator aborts a transaction that takes too long",
  T5: "a newer producer fences an older one",
  T6: "the transaction before is still ending",
  T7: "the initialization of a producer gets no answer",
  T8: "a producer's epochs are used up",
  T9: "a hanging transaction holds back the last stable offset",
  T10: "committed offsets are not stable",
  T11: "a produce request is taken in part",
  T12: "a produce request gets no answer",
  T13: "the coordinator goes down with its reply to the end of a transaction",
  S1: "the object store fails inside",
  S2: "the object store asks to slow down",
  S3: "a request to the object store times out and has taken effect",
  S4: "a request to the object store times out without effect",
  S5: "an object is read short",
  S6: "an object is read with a flipped bit",
  S7: "a listing misses what is there",
  S8: "a repeated create is refused since the first one has won",
  S9: "the object store reports a conflict",
  S10: "an upload is torn",
  S11: "an object is reported written and is not there",
  S12: "credentials have expired",
  S13: "an object is gone",
  S14: "the object store is slow",
  S15: "an object holds the content of another one",
  S16: "the object store is out for ten minutes",
  S17: "a bad copy of an object is read for a while",
  D1: "the disk is full",
  D2: "the disk cannot be read or written",
  D3: "the last write is torn at a crash",
  D4: "unsynced writes are lost at a crash",
  D5: "bits rot on the disk",
  D6: "the directory is gone",
  D7: "a lock is left behind",
  D8: "a sync fails",
  D9: "there are no file handles left",
  D10: "parts of a store stand at different points after a crash",
  C1: "the wall clock steps",
  C2: "a clock drifts",
  C3: "the wall clock stands still",
  C4: "monotonic time jumps, as after a suspend",
  U1: "a record holds poison bytes",
  U2: "a handler throws",
  U3: "a handler rejects",
  U4: "a handler returns rows of another number or shape",
  U5: "a handler changes its input",
  U6: "the schema of records changes in the stream",
  U7: "a record has no key, or no value",
  U8: "nearly all records have one key",
  U9: "timestamps are extreme",
  U10: "a batch is empty",
  U11: "a batch takes very long",
  O1: "a newer release reads older checkpoints",
  O2: "an older release meets newer checkpoints",
  O3: "options change between two runs",
  O4: "the checkpoints are of another topic or cluster",
  O5: "an operator deletes a checkpoint",
  O6: "an operator raises the number of partitions",
  O7: "an operator sets the committed offsets",
  O8: "an operator drains a worker and lets it join again",
} as const;

/** Id of a fault. */
export type FaultKind = keyof typeof FAULT_KINDS;

/**
 * One fault of a run. All of it is drawn before the run begins, so that a plan can be written down, shrunk and replayed:
 * leaving one fault out does not change what the others are.
 */
export interface PlannedFault {
  /** Which fault. */
  readonly kind: FaultKind;
  /**
   * Simulated milliseconds since the start. Faults of processes, clocks and the broker happen then; faults of calls strike
   * the first fitting call from then on.
   */
  readonly atMs: number;
  /** Process that is struck, if it is one (modulo the number of processes). */
  readonly process: number;
  /** How long it lasts, in milliseconds, where that has a meaning. */
  readonly durationMs: number;
  /** A further draw in [0, 2^32), for whatever else has to be chosen: which partition, which bit, which call. */
  readonly draw: number;
}
