import { assertEquals, assertStringIncludes } from "@std/assert";
import type { BatchAppended } from "../../../lib/embedded/change.ts";
import { recordsOf } from "../../record_rows.ts";
import { fence, GROUP, metadata, PlayedRun, TRANSACTIONAL_ID } from "./fixtures_test.ts";
import { SeamHandles } from "./seam_handles.ts";
import { Transactions } from "./transactions.ts";

const OUTPUT = "out";
const ID = { transactionalId: TRANSACTIONAL_ID };

/** A run with one producer that has begun a transaction. */
class Play extends PlayedRun {
  #session = { producerId: -1, producerEpoch: -1 };

  constructor() {
    super();
    this.broker.createTopic(OUTPUT, 2);
    const handles = new SeamHandles();
    this.watch(handles, new Transactions(this, handles));
    this.join(0);
    this.openProducer(0);
    this.initialize();
  }

  initialize(): void {
    this.seam(0, { kind: "transactional", method: "initialize", handle: 2 });
    this.call(0, { call: "initialize", phase: "landed" });
    const reply = this.broker.cluster.initializeTransactions({ ...ID, timeoutMs: 60_000 }, this.broker.times());
    if (reply.kind === "refused") throw new Error(reply.message);
    this.#session = reply.value;
    this.afterEvent();
    this.begin();
  }

  begin(): void {
    this.seam(0, { kind: "transactional", method: "begin", handle: 2 });
  }

  send(count: number): void {
    const records = recordsOf(Array.from({ length: count }, () => "x"));
    this.seam(0, { kind: "transactional", method: "produce", handle: 2, args: [{ topic: OUTPUT, records }] });
  }

  land(count: number, sequence: number, partition = 0): void {
    const records = recordsOf(Array.from({ length: count }, () => "x"));
    const producer = { ...ID, ...this.#session, sequence };
    this.broker.cluster.produce({ topic: OUTPUT, partition, records, rows: null, producer }, this.broker.times());
  }

  stage(): void {
    const offsets = [{ topic: "in", partition: 0, offset: 3, leaderEpoch: -1, metadata: metadata(1) }];
    this.seam(0, { kind: "transactional", method: "sendOffsets", handle: 2, args: [offsets, fence()] });
    const request = { ...ID, ...this.#session, offsets };
    this.broker.cluster.stageOffsets(
      { ...request, fence: { groupId: GROUP, memberId: "", generation: -1, instanceId: null } },
      this.broker.times(),
    );
  }

  end(isCommit = true): void {
    const reply = this.broker.cluster.endTransaction({ ...ID, ...this.#session, isCommit }, this.broker.times());
    if (reply.kind === "done") this.#session = reply.value;
  }
}

Deno.test("I-05 is kept by transactions whose records and offsets become visible together, and by aborts", () => {
  const run = new Play();
  run.send(3);
  run.send(2);
  run.land(3, 0);
  run.land(2, 0, 1);
  run.stage();
  run.end();
  run.begin();
  run.send(5);
  run.land(2, 0);
  run.end(false);
  assertEquals(run.violations, []);
});

Deno.test("I-05: a commit that lands before all records of its transaction is found", () => {
  const run = new Play();
  run.send(3);
  run.send(2);
  run.land(3, 0);
  run.stage();
  run.end();
  assertEquals(run.violations, [
    `I-05 half a transaction of '${TRANSACTIONAL_ID}' was committed: expected the 5 records that process 0.1 sent in it, ` +
    `found 3`,
  ]);
});

Deno.test("I-05: records that become visible without offsets are found", () => {
  const run = new Play();
  run.send(3);
  run.land(3, 0);
  run.end();
  assertStringIncludes(run.violations[0]!, "was committed without offsets: expected offsets with its 3 records");
});

Deno.test("I-05: the transaction of a newer producer is judged by what that one has sent", () => {
  const run = new Play();
  run.send(3);
  run.land(3, 0);
  run.initialize();
  run.initialize();
  run.send(1);
  run.land(1, 0);
  run.stage();
  run.end();
  assertEquals(run.violations, []);
});

Deno.test("I-05: a record that is written twice, or left out, is found by its sequence number", () => {
  const appended = (sequence: number, producerEpoch = 0): BatchAppended => ({
    kind: "batch-appended",
    topic: OUTPUT,
    partition: 0,
    baseOffset: 10,
    leaderEpoch: 0,
    producerId: 77,
    producerEpoch,
    sequence,
    isTransactional: false,
    records: recordsOf(["a", "b"]),
  });
  for (const [changes, count] of [[[0, 2, 4], 0], [[0, 0], 1], [[0, 3], 1]] as const) {
    const run = new Play();
    for (const sequence of changes) run.change(appended(sequence));
    assertEquals(run.violations.length, count, String(changes));
  }
  const run = new Play();
  run.change(appended(0));
  run.change(appended(0, 1));
  assertEquals(run.violations, []);
  run.change(appended(2, 0));
  assertStringIncludes(run.violations[0]!, "found sequence 2 in epoch 0");
});

Deno.test("I-05: records of a producer that is not in its transaction are found", () => {
  const run = new Play();
  run.change({
    kind: "batch-appended",
    topic: OUTPUT,
    partition: 0,
    baseOffset: 0,
    leaderEpoch: 0,
    producerId: run.broker.cluster.state.transactions.get(TRANSACTIONAL_ID)!.producerId,
    producerEpoch: 0,
    sequence: 0,
    isTransactional: true,
    records: recordsOf(["a"]),
  });
  assertStringIncludes(run.violations[0]!, "were appended to out:0 at offset 0 outside of its transaction");
});

Deno.test("I-05: a transaction that ends both ways, or is complete without all markers, is found", () => {
  const marker = { topic: OUTPUT, offset: 9, leaderEpoch: 0, producerId: 1, producerEpoch: 0, timestamp: 0 };
  const run = new Play();
  run.send(2);
  run.land(1, 0);
  run.land(1, 0, 1);
  const { producerId, producerEpoch } = run.broker.cluster.state.transactions.get(TRANSACTIONAL_ID)!;
  const prepared = { isFenced: false, markerEpoch: 1, producerId, producerEpoch };
  run.change({ kind: "transaction-prepared", ...ID, isCommit: false, ...prepared });
  run.change({ kind: "marker-appended", ...marker, partition: 0, ...ID, isCommit: true });
  assertStringIncludes(run.violations[0]!, "ends both ways: expected aborted, found committed in out:0");
  run.change({ kind: "transaction-completed", ...ID });
  assertStringIncludes(run.violations[1]!, "is complete and not all of it was aborted: no marker for out:1");
});
