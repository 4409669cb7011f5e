import { assert, assertEquals, assertGreater, assertRejects, assertThrows } from "@std/assert";
import { MemoryStateStore } from "../../adapters/memory/memory_state_store.ts";
import { InvariantError } from "../../base/assert.ts";
import { jsonValues } from "../../codecs/value_codec.ts";
import { batchOf } from "../../columns/batch_of.ts";
import { binary, bool, type ColumnType, float64, int32, int64, list, timestampMs, utf8 } from "../../columns/schema.ts";
import { stateTable } from "../../operator/state_table.ts";
import { TaskState } from "./task_state.ts";

const open = () => TaskState.open(new MemoryStateStore(), { valueCodec: jsonValues() });

Deno.test("TaskState.metrics() counts what columns of every type hold", async () => {
  const cells: [ColumnType, unknown, bytesPerRow: number][] = [
    [int32(), 7, 4],
    [float64(), 0.5, 8],
    [int64(), 2n ** 40n, 8],
    [timestampMs(), 1_700_000_000_000, 8],
    [bool(), true, 1],
    [utf8(), "0123456789", 10],
    [binary(), Uint8Array.of(1, 2, 3), 3],
    [list(int32()), [1, 2, 3], 12],
  ];
  const rows = 5_000;
  for (const [type, cell, bytesPerRow] of cells) {
    const state = await open();
    const table = stateTable({ key: int32(), value: { cell: type } });
    const access = state.table("t", table);
    const keys = batchOf({ key: int32() }, Array.from({ length: rows }, (_, key) => ({ key }))).getChild("key")!;
    const before = state.metrics().heldBytes;
    state.begin();
    access.putMany(keys as never, batchOf(table.value, Array(rows).fill({ cell })) as never);
    state.applyOldest();
    const { heldBytes, heldKeys } = state.metrics();
    assertEquals(heldKeys, rows);
    assertGreater(heldBytes - before, rows * (4 + bytesPerRow), type.kind);
    assert(heldBytes - before < rows * 40 * (4 + bytesPerRow), `${type.kind} takes ${heldBytes} bytes`);
  }
});

Deno.test("state tables name what is no column, no batch and no key", async () => {
  const state = await open();
  const table = stateTable({ key: utf8(), value: { n: float64() } });
  const access = state.table("t", table);
  const keys = batchOf({ key: utf8() }, [{ key: "a" }]).getChild("key")!;
  state.begin();
  for (const none of [undefined, null]) {
    assertThrows(() => access.putMany(none as never, none as never), TypeError, "column 'n' is missing");
    assertThrows(() => access.putMany(keys as never, none as never), TypeError, "column 'n' is missing");
    assertThrows(() => access.deleteMany(none as never), TypeError, "they must be a column of utf8");
    await assertRejects(() => access.getMany(none as never), TypeError, "they must be a column of utf8");
  }
  state.applyOldest();
  assertEquals(state.pendingRows, 0);
});

Deno.test("TaskState is opened with a whole number of keys, and flushed with a position only (I-02)", async () => {
  for (const tableKeysMax of [0, -1, 0.5, NaN]) {
    const store = new MemoryStateStore();
    await assertRejects(
      () => TaskState.open(store, { valueCodec: jsonValues(), tableKeysMax }),
      RangeError,
      "tableKeysMax",
    );
  }
  const store = new MemoryStateStore();
  const state = await TaskState.open(store, { valueCodec: jsonValues() });
  state.begin();
  state.keyed("").put("a", 1);
  state.applyOldest();
  await assertRejects(() => state.flush(new Uint8Array(0)), InvariantError, "I-02");
  assertEquals(
    [await store.readPosition(), state.pendingRows],
    [undefined, 1],
    "neither rows nor position were written",
  );
  await state.flush(Uint8Array.of(1));
  assertEquals(state.pendingRows, 0);
});
