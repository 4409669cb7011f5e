/** Bugs in membership, and in the broker that fences, deduplicates and hides. */
import type { Mutant } from "./mutant.ts";

const RUNNER = "lib/runtime/subscription_runner.ts";
const MEMBERSHIP = "lib/adapters/embedded/membership.ts";

/** Partitions that change hands. */
export const GROUP_MUTANTS: readonly Mutant[] = [
  {
    name: "revoked-returns-early",
    sentence: "A revoke starts the last commit and returns: it will end by itself",
    file: RUNNER,
    find: "    const isClean = await this.#work.drain();\n    await this.#giveUp(partitions, isClean);\n",
    replace: "    void this.#work.drain();\n    await this.#giveUp(partitions, false);\n",
    breaks: ["I-13", "I-06", "I-11"],
    needs: "a rebalance",
  },
  {
    name: "revoked-task-goes-on",
    sentence: "A revoked task stays open in case its partition comes back, and processes what it has fetched",
    file: RUNNER,
    find: "    await this.#giveUp(partitions, isClean);\n",
    replace: "    this.#tasks.forget(isClean ? partitions : []);\n",
    breaks: ["I-13", "I-11", "I-08"],
    needs: "a rebalance that moves a partition",
  },
  {
    name: "joins-again-before-revoked-returns",
    sentence: "The group is joined again at once, while the last commit is still on its way",
    file: MEMBERSHIP,
    find: `      await this.#giveUp("revoked");\n      this.#phase = "out";\n`,
    replace: `      void this.#giveUp("revoked");\n      this.#phase = "out";\n`,
    breaks: ["I-13", "I-11"],
    needs: "a rebalance",
  },
  {
    name: "failed-task-keeps-its-partition",
    sentence: "Tasks of a commit group that closed dirty are left as they are: the producer is new",
    file: RUNNER,
    find: "      attempts: this.#commitTrouble.attempts,\n    });\n    await this.#tasks.closeAllDirty();\n",
    replace: "      attempts: this.#commitTrouble.attempts,\n    });\n    await this.#commits.open();\n",
    breaks: ["I-08", "I-05", "I-04", "I-01"],
    guarantee: "exactly-once",
    needs:
      "a transaction that has committed, while its coordinator cannot be asked and the member keeps its partitions",
  },
  {
    name: "drained-static-member-keeps-its-seat",
    sentence: "A drain closes the members as a close does: a static one comes back within its grace anyway",
    file: "lib/app/app_members.ts",
    find: "const isInTime = await this.#end({ isDirty: false, isLeaving: true });",
    replace: "const isInTime = await this.#end({ isDirty: false, isLeaving: false });",
    breaks: ["I-26"],
    needs: "static members, and a drain",
  },
];

/** The embedded broker and its clients. */
export const BROKER_MUTANTS: readonly Mutant[] = [
  {
    name: "retry-without-idempotence",
    sentence: "A produce request without a reply is sent again under new sequence numbers",
    file: "lib/adapters/embedded/send_batch.ts",
    find: "      const sent = await sendOnce(sending, left);\n",
    replace: `      const sent = await sendOnce(sending, left).catch(() => {
        left = left.map((part) => ({ ...part, sequence: sequences.take(part.key, part.count) }));
        return sendOnce(sending, left);
      });
`,
    breaks: ["I-05", "I-06"],
    needs: "a produce request whose reply is lost",
  },
  {
    name: "repeated-batch-is-appended",
    sentence: "The broker appends a batch that it has already",
    file: "lib/embedded/partition_producers.ts",
    find: `if (firstSequence === batch.sequence && lastSequence === last) return { kind: "duplicate", firstOffset };`,
    replace: `if (firstSequence === batch.sequence && lastSequence === last && firstOffset >= 0) return NEXT;`,
    breaks: ["I-05", "I-06"],
    needs: "a produce request that lands twice",
  },
  {
    name: "commit-of-an-old-generation",
    sentence: "The broker takes offsets of any member of the group, whatever its generation",
    file: "lib/embedded/group_fence.ts",
    find: "  if (group!.generation === fence.generation) return null;\n",
    replace: "  if (group!.generation >= fence.generation) return null;\n",
    breaks: ["I-11", "I-08"],
    needs: "a commit that lands after a rebalance",
  },
  {
    name: "initialize-does-not-fence",
    sentence: "A producer that initializes a known transactional id gets its present epoch",
    file: "lib/embedded/transaction_requests.ts",
    find: `  if (transaction.status.startsWith("Prepare")) return stillEnding(transactionalId);
  const session = nextSession(core, transaction);
`,
    replace: `  if (transaction.status.startsWith("Prepare")) return stillEnding(transactionalId);
  const { producerId, producerEpoch } = transaction;
  const session = { producerId, producerEpoch };
`,
    breaks: ["I-14", "I-05", "I-11"],
    guarantee: "exactly-once",
    needs: "a request of an older producer that lands late",
  },
  {
    name: "open-transactions-are-shown",
    sentence: "Readers of committed records see the whole log but what is known to be aborted",
    file: "lib/embedded/partition_log.ts",
    find: "    for (const { firstOffset } of this.#open.values()) if (firstOffset < stable) stable = firstOffset;\n",
    replace: "",
    breaks: ["I-05", "I-03"],
    needs: "transactions that abort",
  },
];
