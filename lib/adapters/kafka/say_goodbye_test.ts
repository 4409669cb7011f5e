import { assertEquals, assertRejects } from "@std/assert";
import { BrokerTimeoutError, BrokerUnavailableError } from "../../base/errors.ts";
import { holdProcess } from "../system/hold_process.ts";
import { FakeGroup } from "./fake_group_test.ts";
import { sayGoodbye } from "./say_goodbye.ts";

const NOT_COORDINATOR = 16;
const UNKNOWN_MEMBER = 25;

/** Says goodbye to a group that answers so, one answer after the other. @returns How often it was said. */
async function said(answers: readonly (number | Error)[], isDirty = false): Promise<number> {
  const client = new FakeGroup().client();
  // The client's sleep does not hold the process.
  const letGo = holdProcess();
  let count = 0;
  const send = () => {
    const answer = answers[count++]!;
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  };
  try {
    await sayGoodbye(client, { groupId: "g", isDirty, send });
  } finally {
    letGo();
    await client.close();
  }
  return count;
}

Deno.test("sayGoodbye() says it again while the coordinator moves, or when the connection is cut", async () => {
  assertEquals(await said([NOT_COORDINATOR, new BrokerUnavailableError("cut"), NOT_COORDINATOR, 0]), 4);
});

Deno.test("sayGoodbye() is content when the group knows the member no more, or has not answered for long", async () => {
  assertEquals(await said([UNKNOWN_MEMBER]), 1);
  assertEquals(await said([new BrokerTimeoutError("silence")]), 1);
});

Deno.test("sayGoodbye() says it once when nobody waits for it", async () => {
  assertEquals(await said([NOT_COORDINATOR], true), 1);
  assertEquals(await said([new BrokerUnavailableError("cut")], true), 1);
});

Deno.test("sayGoodbye() hides no error of our own", async () => {
  await assertRejects(() => said([new TypeError("wrong")]), TypeError, "wrong");
});
