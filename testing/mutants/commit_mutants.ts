/** Bugs in the order of effects, in the answer to "did it happen?", and in what goes to the group. */
import type { Mutant } from "./mutant.ts";

const PROTOCOL = "lib/core/commit_protocol.ts";
const COMMANDS = "lib/core/commit_commands.ts";
const GROUP = "lib/runtime/commit_group.ts";
const SEALED = "lib/runtime/sealed_commit.ts";
const OPTIONS = "const { attemptsMax = COMMIT_ATTEMPTS_MAX, variant = {} } = options;";
const optionsWith = (variant: string) => OPTIONS.replace("variant = {}", `variant = ${variant} as CommitVariant`);

/** Wrong orders of effects, and wrong answers after an unknown outcome. */
export const COMMIT_ORDER_MUTANTS: readonly Mutant[] = [
  {
    name: "alo-1-apply-before-produce",
    sentence: "State is applied first, as that cannot fail; then outputs are produced and the offset is committed",
    file: COMMANDS,
    find: `plain: Object.freeze(["begin", "produce", "commit-offsets", "apply"] as const),`,
    replace: `plain: Object.freeze(["begin", "apply", "produce", "commit-offsets"] as const),`,
    breaks: ["I-04", "I-03"],
    guarantee: "at-least-once",
    needs: "a crash, or a produce request that fails, between apply and produce",
  },
  {
    name: "eos-1-apply-before-commit",
    sentence: "State is applied before the transaction ends, and a local store that is ahead is kept at a restart",
    file: COMMANDS,
    find: `transactional: Object.freeze(["begin", "produce", "send-offsets", "end-transaction", "apply"] as const),`,
    replace: `transactional: Object.freeze(["begin", "produce", "send-offsets", "apply", "end-transaction"] as const),`,
    also: [{
      file: "lib/core/recovery_plan.ts",
      find: `input.guarantee === "at-least-once" ? [...inLog.filter(isAhead), ...past] : past;`,
      replace: `[...inLog.filter(isAhead), ...past];`,
    }],
    breaks: ["I-03", "I-04"],
    guarantee: "exactly-once",
    needs: "a transaction that does not commit, or a crash before its end",
  },
  {
    name: "eos-3-unknown-is-committed",
    sentence: "A transaction whose end got no reply is taken as committed: the broker surely has it",
    file: PROTOCOL,
    find: OPTIONS,
    replace: optionsWith(`{ witness: "assume-committed" }`),
    breaks: ["I-04", "I-03"],
    guarantee: "exactly-once",
    needs: "a lost request during a commit",
  },
  {
    name: "eos-4-unknown-is-aborted",
    sentence: "A transaction whose end got no reply is taken as aborted and processed again",
    file: PROTOCOL,
    find: OPTIONS,
    replace: optionsWith(`{ witness: "assume-aborted" }`),
    breaks: ["I-05"],
    guarantee: "exactly-once",
    needs: "a lost reply to the end of a transaction",
  },
  {
    name: "eos-5-producer-reused",
    sentence: "After an unknown end the same producer goes on, since the group's offset tells what happened",
    file: PROTOCOL,
    find: OPTIONS,
    replace: optionsWith("{ reusesProducer: true }"),
    breaks: ["I-14", "I-05"],
    guarantee: "exactly-once",
    needs: "an end of a transaction without a reply",
  },
  {
    name: "witness-is-the-offset-reached",
    sentence: "A commit counts as done when the group's offset is the one it wanted: but an idle close moves no offset",
    file: PROTOCOL,
    find: OPTIONS,
    replace: optionsWith(`{ witness: "offset-reached-to" }`),
    breaks: ["I-04"],
    guarantee: "exactly-once",
    needs: "an idle close whose commit request is lost",
  },
  {
    name: "witness-is-the-offset-left",
    sentence:
      "A commit counts as undone while the group's offset is the one before it: but an idle close moves no offset",
    file: PROTOCOL,
    find: OPTIONS,
    replace: optionsWith(`{ witness: "offset-left-from" }`),
    breaks: ["I-05", "I-04"],
    guarantee: "exactly-once",
    needs: "an idle close whose commit reply is lost, or an offset that the group does not have yet",
  },
  {
    name: "takeover-is-an-ordinary-failure",
    sentence: "A fenced producer aborts its transaction like after any other failure, instead of only closing",
    file: PROTOCOL,
    find: '    if (isTakeover(error)) return this.#die(error);\n    if (effect === "begin") {',
    replace: '    if (effect === "begin") {',
    breaks: ["I-12"],
    guarantee: "exactly-once",
    needs: "a zombie, or a transaction that takes longer than its timeout",
  },
  {
    name: "offset-commit-is-best-effort",
    sentence: "An offset commit that was refused does not matter: the next one covers it",
    file: PROTOCOL,
    find: `if (outcome.kind !== "applied") return this.#effectFailed(kind as CommitEffect, outcome);`,
    replace: `if (outcome.kind !== "applied" && kind === "commit-offsets") return this.#advance();
    if (outcome.kind !== "applied") return this.#effectFailed(kind as CommitEffect, outcome);`,
    breaks: ["I-12", "I-06"],
    guarantee: "at-least-once",
    needs: "an offset commit that is refused or gets no reply",
  },
];

/** Wrong effects of a commit. */
export const COMMIT_EFFECT_MUTANTS: readonly Mutant[] = [
  {
    name: "newest-generation-at-commit",
    sentence: "Offsets go under the newest generation, which a member that lost its partitions and rejoined has again",
    file: GROUP,
    find: "this.#transactional!.sendOffsets(sealed.map((each) => each.position), command.fence),",
    replace: "this.#transactional!.sendOffsets(sealed.map((each) => each.position), this.#consumer.groupMetadata()),",
    also: [{
      file: GROUP,
      find: "this.#consumer.commit(sealed.map((each) => each.position), command.fence),",
      replace: "this.#consumer.commit(sealed.map((each) => each.position), this.#consumer.groupMetadata()),",
    }, {
      file: "lib/runtime/subscription_runner.ts",
      find: "    await this.#commits.poison(error, this.#work.hooks);\n",
      replace: "    void error;\n",
    }],
    breaks: ["I-12", "I-11", "I-05"],
    needs: "a member that stands still for longer than its session during a commit",
  },
  {
    name: "commit-goes-on-after-lost",
    sentence: "Partitions are lost while a commit is under way, and it is left to finish: the broker will refuse it",
    file: "lib/runtime/subscription_runner.ts",
    find: "    await this.#commits.poison(error, this.#work.hooks);\n",
    replace: "    void error;\n",
    breaks: ["I-12", "I-13"],
    needs: "a session that expires during a commit",
  },
  {
    name: "produce-is-not-awaited",
    sentence: "Outputs are sent and the offset is committed without waiting for their acknowledgements",
    file: GROUP,
    find:
      "    const outcomes = await Promise.all(requests.map((request) => this.#outcomeOf(() => producer.produce(request))));",
    replace: `    const sent = Promise.all(requests.map((request) => this.#outcomeOf(() => producer.produce(request))));
    if (this.#mode === "plain") return applied();
    const outcomes = await sent;`,
    breaks: ["I-04"],
    guarantee: "at-least-once",
    needs: "a produce request that fails or is lost",
  },
  {
    name: "best-produce-outcome-counts",
    sentence: "Of several produce requests of one commit the first that went well stands for all",
    file: GROUP,
    find: `    return outcomes.find((each) => each.kind === "unknown") ?? `,
    replace:
      `    return outcomes.find((each) => each.kind === "applied") ?? outcomes.find((each) => each.kind === "unknown") ?? `,
    breaks: ["I-04"],
    guarantee: "at-least-once",
    needs: "several batches in one commit, one of which cannot be produced",
  },
  {
    name: "outputs-newest-first",
    sentence: "The outputs of a commit are sent in whatever order, since they become visible together",
    file: GROUP,
    find: "requests.map((request) => this.#outcomeOf(() => producer.produce(request)))",
    replace: "requests.toReversed().map((request) => this.#outcomeOf(() => producer.produce(request)))",
    breaks: ["I-07"],
    needs: "several batches in one commit",
  },
  {
    name: "offsets-of-the-first-task-only",
    sentence: "A commit that several tasks share sends the offset of one of them",
    file: GROUP,
    find: "this.#transactional!.sendOffsets(sealed.map((each) => each.position), command.fence),",
    replace: "this.#transactional!.sendOffsets(sealed.slice(0, 1).map((each) => each.position), command.fence),",
    also: [{
      file: GROUP,
      find: "this.#consumer.commit(sealed.map((each) => each.position), command.fence),",
      replace: "this.#consumer.commit(sealed.slice(0, 1).map((each) => each.position), command.fence),",
    }],
    breaks: ["I-05", "I-06", "I-04"],
    needs: "two partitions in one process",
  },
  {
    name: "commits-one-offset-too-far",
    sentence: "The committed offset is taken for the one after next",
    file: SEALED,
    find: "const position = { ...task.source, offset, leaderEpoch, metadata };",
    replace: "const position = { ...task.source, offset: offset + 1n, leaderEpoch, metadata };",
    breaks: ["I-03", "I-04", "I-08"],
  },
  {
    name: "final-time-instead-of-journal",
    sentence: "The commit's metadata carries task time alone: a replay can set the clock at its end",
    file: SEALED,
    find: "    taskTimeMs,\n    journal,\n",
    replace: "    taskTimeMs,\n    journal: new DecisionJournal(journal.from),\n",
    also: [{
      file: SEALED,
      find: `import { type CommitWitness, witnessOf } from "../core/commit_witness.ts";`,
      replace: `import { type CommitWitness, witnessOf } from "../core/commit_witness.ts";
import { DecisionJournal } from "../core/decision_journal.ts";`,
    }],
    breaks: ["I-01", "I-05"],
    needs: "a window that closes on an idle input, and a replay over that offset",
  },
  {
    name: "unstable-offsets-are-read",
    sentence: "A task that opens reads the group's offset without waiting for transactions that hold it",
    file: "lib/runtime/assigned_tasks.ts",
    find: "consumer.committed([source], { isStable: true })",
    replace: "consumer.committed([source], { isStable: false })",
    breaks: ["I-05"],
    guarantee: "exactly-once",
    needs: "a member that stands still between its offsets and the end of its transaction, and a second member",
  },
  {
    name: "dead-letters-outside-the-transaction",
    sentence: "Dead letters go out by a producer of their own: nobody reads them in a transaction",
    file: GROUP,
    find: "this.#outcomeOf(() => producer.produce(request))",
    replace: `this.#outcomeOf(async () => {
      if (request.topic !== this.#spec.settings.deadLetter) return await producer.produce(request);
      const letters = await this.#parts.broker.producer();
      return await letters.produce(request).finally(() => letters.close());
    })`,
    breaks: ["I-29", "I-05"],
    guarantee: "exactly-once",
    needs: "poison, dead letters, and a transaction that aborts",
  },
];
