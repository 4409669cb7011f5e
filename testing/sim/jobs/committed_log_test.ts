import { assertEquals } from "@std/assert";
import type { BatchAppended, MarkerAppended } from "../../../lib/embedded/change.ts";
import { spansOf } from "../../../lib/columns/spans.ts";
import { recordsOf } from "../../record_rows.ts";
import { CommittedLog } from "./committed_log.ts";
import { objectOf, seenRecords, spanTexts } from "./record_texts.ts";

/** A log, what it delivers, and how to write to it. */
function made() {
  const delivered: number[] = [];
  const log = new CommittedLog(({ baseOffset }) => delivered.push(baseOffset));
  const place = { topic: "t", partition: 0, leaderEpoch: 0, producerEpoch: 0 };
  const append = (baseOffset: number, producerId = -1): void => {
    const records = recordsOf(["x"]);
    const isTransactional = producerId >= 0;
    const kind = "batch-appended" as const;
    const change: BatchAppended = { ...place, kind, baseOffset, producerId, sequence: 0, isTransactional, records };
    log.change(change);
  };
  const end = (producerId: number, isCommit: boolean): void => {
    const kind = "marker-appended" as const;
    const change: MarkerAppended = {
      ...place,
      kind,
      offset: 9,
      producerId,
      transactionalId: "",
      isCommit,
      timestamp: 0,
    };
    log.change(change);
  };
  return { log, delivered, append, end };
}

Deno.test("CommittedLog gives plain records at once and those of a transaction when it commits", () => {
  const { delivered, append, end } = made();
  append(0);
  append(1, 7);
  assertEquals(delivered, [0]);
  end(7, true);
  assertEquals(delivered, [0, 1]);
});

Deno.test("CommittedLog gives records in offset order, however transactions end, and never aborted ones", () => {
  const { log, delivered, append, end } = made();
  append(0, 1);
  append(1, 2);
  append(2);
  append(3, 1);
  end(2, true);
  assertEquals([delivered, log.waiting], [[], 4]);
  end(1, false);
  assertEquals([delivered, log.waiting], [[1, 2], 0]);
  append(4, 1);
  end(1, true);
  assertEquals(delivered, [1, 2, 4]);
});

Deno.test("spanTexts() tells null from empty text and from what is no text", () => {
  assertEquals(spanTexts(spansOf(["a", null, "", "b"])), ["a", null, "", "b"]);
  assertEquals(spanTexts(spansOf(["ä", null, new Uint8Array([0xff]), "x"])), ["ä", null, undefined, "x"]);
  assertEquals(spanTexts(spansOf(["\ufffd"])), ["\ufffd"]);
});

Deno.test("seenRecords() and objectOf() give plain values", () => {
  const records = recordsOf([{ key: "k", value: '{"a":1}', timestampMs: 5 }, { value: "[]", timestampMs: 6 }]);
  assertEquals(seenRecords(records, { partition: 2, baseOffset: 40 }), [
    { partition: 2, offset: 40, key: "k", value: '{"a":1}', timestampMs: 5 },
    { partition: 2, offset: 41, key: null, value: "[]", timestampMs: 6 },
  ]);
  assertEquals(objectOf('{"a":1}'), { a: 1 });
  for (const text of ["[]", "1", "null", "", "{", null, undefined]) assertEquals(objectOf(text), undefined);
});
