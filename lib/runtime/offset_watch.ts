/**
 * Looks whether the group still holds what an idle member committed. A plain offset commit whose reply was lost may land
 * late, after newer ones, and take the group back: the next commit puts that right, but an idle input has none, and a
 * restart would repeat what came between. Transactions need no such look: a late request of an older one is fenced.
 */
import type { CommittedPosition, Consumer } from "../seams/broker.ts";
import type { Environment } from "../seams/adapter.ts";
import type { CommitGroup } from "./commit_group.ts";
import type { Task } from "./task.ts";
import { isPassing } from "./trouble.ts";

/** What is watched, and how. */
export interface OffsetWatchParts {
  /** The group member. */
  readonly consumer: Consumer;
  /** Its commits. */
  readonly commits: CommitGroup;
  /** Its tasks. */
  readonly tasks: Iterable<Task> & { readonly hasOpenWork: boolean };
  /** Clock and observer. */
  readonly environment: Environment;
  /** Time without a commit before a look, and between two of them, in milliseconds. */
  readonly intervalMs: number;
}

/** The looks of one group member. */
export class OffsetWatch {
  readonly #parts: OffsetWatchParts;
  #sinceMs: number;
  #committed = 0;

  /** @param parts What is watched, and how. */
  constructor(parts: OffsetWatchParts) {
    this.#parts = parts;
    this.#sinceMs = parts.environment.clock.monotonicMs();
  }

  /** Milliseconds until {@linkcode OffsetWatch.look} may ask; infinite when it never does. */
  dueInMs(): number {
    const { commits, environment: { clock }, intervalMs } = this.#parts;
    // Not less than a timer can wait: by a rounding error before its time, it is not asked yet.
    return commits.transactionalId === null ? Math.max(1, this.#sinceMs + intervalMs - clock.monotonicMs()) : Infinity;
  }

  /** Asks the group when it is time, and lets tasks whose offset is older than theirs commit again. */
  async look(): Promise<void> {
    const { consumer, commits, tasks, environment: { clock }, intervalMs } = this.#parts;
    if (commits.transactionalId !== null) return;
    const nowMs = clock.monotonicMs();
    const { committed } = commits.counts;
    const isIdle = !tasks.hasOpenWork && !commits.isBusy && commits.failure === undefined && !commits.isFenceRefused;
    if (!isIdle || committed !== this.#committed) this.#sinceMs = nowMs;
    this.#committed = committed;
    if (nowMs - this.#sinceMs < intervalMs) return;
    this.#sinceMs = nowMs;
    const watched = [...tasks];
    if (watched.length === 0) return;
    try {
      const found = await consumer.committed(watched.map((task) => task.source), { isStable: false });
      for (const task of watched) this.#compare(task, found.find(({ partition }) => partition === task.partition));
    } catch (error) {
      // Nothing depends on this answer: what is wrong with the broker or the member, the next poll finds out.
      if (!isPassing(error)) throw error;
    }
  }

  #compare(task: Task, found: CommittedPosition | undefined): void {
    if (!task.commitAgain(found)) return;
    const { topic, partition } = task.source;
    const detail = { topic, partition, found: found!.offset, committed: task.position };
    const { observer } = this.#parts.environment;
    observer.log("warn", "A late commit has taken the group back: its position is committed again", detail);
  }
}
