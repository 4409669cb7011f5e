/**
 * Rare events that runs should meet now and then, each with how it is recognised. Some are told by the checkers that know
 * of them anyway.
 */
export const MARKS = {
  // Commits
  "unknown commit resolved as committed": "step commit:resolved-committed",
  "unknown commit resolved as aborted": "step commit:resolved-aborted",
  "a commit was aborted and processed again": "step commit:aborted",
  "another owner's commit was found": "step commit:foreign that tells of another owner",
  "several tasks were in one commit": "step commit:before of more than one partition",
  "a commit moved no offset": "step commit:sealed that ends where it began",
  "unknown outcome of produce": "a transactional call settled with an unknown outcome (checker of I-14)",
  "unknown outcome of sendOffsets": "a transactional call settled with an unknown outcome (checker of I-14)",
  "unknown outcome of commit": "a transactional call settled with an unknown outcome (checker of I-14)",
  "unknown outcome of abort": "a transactional call settled with an unknown outcome (checker of I-14)",
  "a produce request was taken in part": "a produce settled as unknown since some partitions refused",
  "an initialization of a producer was tried again": "two initializations in a row, the first without success",
  "a producer got a new id as its epochs were used up": "change: another producer id for a transactional id",
  "the coordinator ended a transaction against its producer's will": "change transaction-prepared, fenced",
  "a delayed end of a transaction landed after a later one had begun": "a late endTransaction, transactions in between",
  "a late offset commit has landed": "an older sequence is committed (checker of I-08)",
  "a transaction began while the one before was still ending": "step transaction:begin, the id is preparing",
  "committed offsets were asked for while they were unstable": "call committed, offsets are staged",
  "crash between produce and commit": "a crash behind produce:after",
  "crash between commit and apply": "a crash behind commit:after",
  "crash in the middle of a transaction": "a crash behind transaction:begin",
  // Groups
  "zombie fenced at produce": "a produce of a process that came back fails as fenced",
  "zombie fenced at sendOffsets": "sendOffsets of a process that came back fails as fenced or lost",
  "zombie fenced at the end of a transaction": "commit or abort of a process that came back fails as fenced",
  "zombie refused at an offset commit": "a plain commit of a process that came back fails as fenced or lost",
  "zombie learned that its partitions were lost": "step group:lost of a process that came back",
  "a zombie has produced": "records of a member that holds nothing (checker of I-06)",
  "static member returned within its grace without a rebalance": "change static-member-replaced by the job",
  "a member was fenced by another one of its instance id": "a process ended with FencedError of its instance",
  "a delayed commit landed in a later generation": "a late commit or sendOffsets, the group has divided anew since",
  "a commit of a member that was dropped was refused": "a commit fails with the code unknown-member",
  "partitions were revoked while a commit was under way": "step group:revoked between commit:before and its end",
  "partitions were lost while a commit was under way": "step group:lost between commit:before and its end",
  "a partition moved to another process": "step restore:live in another process than before",
  "a member was left without partitions": "a settled group has a member that holds none",
  "a stranger held partitions of the job": "a settled group has a foreign member that holds some",
  // Restores
  "task restored from local store": "step restore:candidate-chosen local",
  "task restored from a checkpoint": "step restore:candidate-chosen checkpoint",
  "task restored from a checkpoint on another node": "the same, where the task was not before",
  "task rebuilt from the origin of its lineage":
    "step restore:candidate-chosen empty, of a known lineage, with a replay",
  "fallback to an older checkpoint": "a checkpoint is loaded, and a newer one was found to be damaged",
  "fallback to the third checkpoint": "a checkpoint is loaded, and two newer ones were found to be damaged",
  "a damaged local store was not used": "log of the recovery plan",
  "a local store ahead of the committed offset was not used": "log of the recovery plan",
  "state ahead of the committed offset was gone on with": "log of the recovery plan",
  "a local store came back older than its last flush": "a local candidate below the last flush on that node",
  "silent replay of more than one batch": "step restore:silent-replay-done of more rows than a batch has",
  "a jump of idle time was repeated in a replay": "a replay over an offset at which time has jumped",
  "a lineage began after an operator's reset": "log of the recovery plan",
  "state was gone on with though offsets had expired": "log of the recovery plan",
  "a recovery was impossible and said so": "log of a RecoveryImpossibleError",
  "the log no longer held a position": "log of an OffsetOutOfRangeError",
  "an incompatible checkpoint was refused": "log of a CheckpointIncompatibleError (checker of I-22)",
  "crash while state was restored": "a crash behind restore:begin and before restore:live",
  "a replay was cut at a decision": "a replay over an offset at which time has jumped, records on both sides",
  "crash in a silent replay": "a crash behind restore:silent-replay-begin",
  // Stores
  "crash between the upload of a file and its manifest": "a crash behind checkpoint:segment-uploaded",
  "crash before a checkpoint had a file": "a crash behind checkpoint:begin or checkpoint:snapshot",
  "crash in a flush": "a crash behind flush:before",
  "crash in a retention round": "a crash behind retention:begin or one of its deletions",
  "a commit was applied while state was flushed": "step apply:after between flush:before and flush:after of a task",
  "a checkpoint failed and earlier ones stay in use": "log of the checkpointer",
  "journal full forced a checkpoint": "log of the keeper",
  "commits were held until a checkpoint succeeded": "log of the keeper",
  "retention was held back by a newer owner": "log of a retention round",
  "a call of the object store was tried again": "log of the retries",
  "a full disk has stopped a task": "log of a DiskFullError (checker of I-28)",
  "state could not be made safe and was tried again": "log of the keeper",
  // Data, time and closing
  "a rejected row was skipped": "log of refused rows",
  "a rejected row went to the dead-letter topic": "log of refused rows",
  "a handler failed": "log of a ProcessingError",
  "late rows were not counted": "log of a window",
  "task time jumped on an idle input": "step time:jumped",
  "a wall clock stepped while an input was idle": "step time:jumped after fault C1 (checker of I-30)",
  "a partition was paused as too much waited": "call pause, four batches wait (checker of I-25)",
  "a poll passed control records only": "a slab without records that moves the position",
  "crash while closing": "a crash of a process that closes",
  "a task was handed over clean": "step task:closed-clean within group:revoked",
  "a worker was drained": "log of an app that has left its groups (checker of I-26)",
  "a close was not clean": "a close ended without a commit (checker of I-27)",
} as const satisfies Readonly<Record<string, string>>;

/** Name of a mark. */
export type Mark = keyof typeof MARKS;

/** Tells that a mark was seen. */
export type TellMark = (mark: Mark) => void;

/** Marks that checkers tell, since they know of them anyway. */
export const CHECKER_MARKS: readonly Mark[] = Object.freeze([
  "unknown outcome of produce",
  "unknown outcome of sendOffsets",
  "unknown outcome of commit",
  "unknown outcome of abort",
  "a late offset commit has landed",
  "a zombie has produced",
  "an incompatible checkpoint was refused",
  "a full disk has stopped a task",
  "a wall clock stepped while an input was idle",
  "a partition was paused as too much waited",
  "a worker was drained",
  "a close was not clean",
]);
