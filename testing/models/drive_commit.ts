import type { CommitCommand, CommitReplies, CommitResult, CommittingTask } from "../../lib/core/commit_commands.ts";
import type { CommitProtocol } from "../../lib/core/commit_protocol.ts";
import { applied, type Outcome } from "../../lib/base/outcome.ts";

/** One task's commit and what happens to it. */
export interface DrivenCommit {
  /** The task's share. */
  readonly task: CommittingTask;
  /** Effects of the model. */
  readonly shell: Shell;
}

/** What a model does at some commands; what it leaves out succeeds and does nothing. */
export type Shell = {
  readonly [K in keyof CommitReplies]?: (
    command: Extract<CommitCommand, { kind: K }>,
  ) => Outcome<CommitReplies[K]> | void;
};

/** The fence that `begin` gives where a model leaves it out. */
export const FENCE = { groupId: "app.model", generation: 1, memberId: "m", instanceId: null };

/**
 * Runs one commit of one task to its end.
 *
 * @param protocol The protocol.
 * @param commit The task's share and the effects of the model.
 */
export function driveCommit(protocol: CommitProtocol, commit: DrivenCommit): CommitResult {
  const { task, shell } = commit;
  protocol.start([task]);
  for (;;) {
    const command = protocol.next();
    if (command.kind === "done") return command.result;
    const handler = shell[command.kind] as ((command: CommitCommand) => Outcome<never> | void) | undefined;
    const ordinary = command.kind === "begin" ? FENCE : command.kind === "read-group-offset" ? [undefined] : undefined;
    protocol.report(command.kind, handler?.(command) ?? applied(ordinary as never));
  }
}
