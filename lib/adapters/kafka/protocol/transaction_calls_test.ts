import { assertEquals } from "@std/assert";
import { ByteReader } from "./byte_reader.ts";
import { ByteWriter } from "./byte_writer.ts";
import type { Call } from "./call.ts";
import { produceCall } from "./produce_calls.ts";
import {
  addOffsetsCall,
  addPartitionsCall,
  endTransactionCall,
  initTransactionsCall,
  NO_SESSION,
  transactionOffsetsCall,
} from "./transaction_calls.ts";

const IDENTITY = { transactionalId: "x", producerId: 258n, producerEpoch: 3 };
/** `x`, 258 and 3 on the wire. */
const WHO = "0278 0000000000000102 0003";

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Body of a request, without the header. */
function written(call: Call<unknown>): string {
  const writer = new ByteWriter();
  call.write(writer);
  return hex(writer.finish());
}

function read<T>(call: Call<T>, body: string): T {
  const digits = body.replaceAll(" ", "");
  const bytes = Uint8Array.from({ length: digits.length / 2 }, (_, i) => parseInt(digits.slice(2 * i, 2 * i + 2), 16));
  return call.read(new ByteReader(bytes));
}

function idOf({ apiKey, version, isFlexible }: Call<unknown>): unknown[] {
  return [apiKey, version, isFlexible];
}

function spaced(text: string): string {
  return text.replaceAll(" ", "");
}

Deno.test("InitProducerId takes an id over, or goes on with a session", () => {
  const over = initTransactionsCall({ transactionalId: "x", ...NO_SESSION }, 60_000);
  assertEquals(idOf(over), [22, 4, true]);
  assertEquals(written(over), spaced("0278 0000ea60 ffffffffffffffff ffff 00"));
  assertEquals(written(initTransactionsCall(IDENTITY, 1)), spaced("0278 00000001 0000000000000102 0003 00"));
  const reply = { errorCode: 51, producerId: -1n, producerEpoch: -1 };
  assertEquals(read(over, "00000000 0033 ffffffffffffffff ffff 00"), reply);
});

Deno.test("AddPartitionsToTxn nests partitions by topic, and each has a code", () => {
  const call = addPartitionsCall(IDENTITY, [{ topic: "a", partition: 0 }, { topic: "a", partition: 2 }]);
  assertEquals(idOf(call), [24, 3, true]);
  assertEquals(written(call), spaced(`${WHO} 02 0261 03 00000000 00000002 00 00`));
  assertEquals(read(call, "00000000 02 0261 03 00000000 0000 00 00000002 0037 00 00 00"), [
    { topic: "a", partition: 0, errorCode: 0 },
    { topic: "a", partition: 2, errorCode: 55 },
  ]);
});

Deno.test("AddOffsetsToTxn names the group", () => {
  const call = addOffsetsCall(IDENTITY, "g");
  assertEquals(idOf(call), [25, 3, true]);
  assertEquals(written(call), spaced(`${WHO} 0267 00`));
  assertEquals(read(call, "00000000 005a 00"), { errorCode: 90 });
});

Deno.test("TxnOffsetCommit carries the fence of the group", () => {
  const positions = [{ topic: "a", partition: 1, offset: 7n, leaderEpoch: 4, metadata: "m" }];
  const group = { groupId: "g", generation: 9, memberId: "me", instanceId: "i" };
  for (const version of [3, 5] as const) {
    const call = transactionOffsetsCall({ identity: IDENTITY, group, positions }, version);
    assertEquals(idOf(call), [28, version, true]);
    const position = "00000001 0000000000000007 00000004 026d 00";
    const body = `0278 0267 0000000000000102 0003 00000009 036d65 0269 02 0261 02 ${position} 00 00`;
    assertEquals(written(call), spaced(body));
    assertEquals(read(call, "00000000 02 0261 02 00000001 0016 00 00 00"), [
      { topic: "a", partition: 1, errorCode: 22 },
    ]);
  }
  const dynamic = transactionOffsetsCall({ identity: IDENTITY, group: { ...group, instanceId: null }, positions }, 3);
  assertEquals(written(dynamic).includes(spaced("036d65 00 02 0261")), true);
});

Deno.test("EndTxn tells the new session in generation 2, and keeps it in generation 1", () => {
  const old = endTransactionCall(IDENTITY, { isCommit: true, version: 3 });
  assertEquals(idOf(old), [26, 3, true]);
  assertEquals(written(old), spaced(`${WHO} 01 00`));
  assertEquals(read(old, "00000000 0000 00"), { errorCode: 0, producerId: 258n, producerEpoch: 3 });
  const call = endTransactionCall(IDENTITY, { isCommit: false, version: 5 });
  assertEquals([idOf(call), written(call)], [[26, 5, true], spaced(`${WHO} 00 00`)]);
  const reply = { errorCode: 0, producerId: 259n, producerEpoch: 4 };
  assertEquals(read(call, "00000000 0000 0000000000000103 0004 00"), reply);
});

Deno.test("Produce carries the transactional id, and tells why a batch was refused", () => {
  const batch = { topic: "a", partition: 1, bytes: Uint8Array.of(1, 2, 3) };
  const call = produceCall([batch], { timeoutMs: 5, transactionalId: "x", version: 12 });
  assertEquals(idOf(call), [0, 12, true]);
  assertEquals(written(call), spaced("0278 ffff 00000005 02 0261 02 00000001 04010203 00 00 00"));
  const none = "ffffffffffffffff";
  assertEquals(read(call, `02 0261 02 00000001 0000 0000000000000009 ${none} ${none} 01 00 00 00 00000000 00`), [
    { topic: "a", partition: 1, errorCode: 0, firstOffset: 9n, message: null },
  ]);
  assertEquals(
    read(call, `02 0261 02 00000001 0057 ${none} ${none} ${none} 02 00000000 026e 00 00 00 00 00000000 00`),
    [
      { topic: "a", partition: 1, errorCode: 87, firstOffset: -1n, message: "n" },
    ],
  );
  assertEquals(idOf(produceCall([], { timeoutMs: 5 })), [0, 9, true]);
});
