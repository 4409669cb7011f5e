import assert from "node:assert/strict";
import { FencedError } from "../../lib/base/errors.ts";
import type { BrokerCase } from "./broker_contract.ts";
import { appliedValue, PLENTY, positionAt, refusedError, Witness } from "./broker_contract_kit.ts";

/** Rules of static membership. */
export const STATIC_CASES: Readonly<Record<string, BrokerCase>> = {
  "a static member that restarts within its session gets its partitions back without a rebalance": {
    needs: ["hasStaticMembers"],
    async run(kit) {
      const topic = await kit.topic(4);
      const groupId = kit.name("group");
      const witness = new Witness();
      const other = await kit.member(topic, { groupId, instanceId: "other", witness });
      const broker = await kit.connect();
      const first = await kit.member(topic, { groupId, instanceId: "mine", broker, among: [other] });
      await kit.until(() => other.assignment().length === 2 && first.assignment().length === 2, [other, first]);
      const held = first.assignment();
      const { generation, instanceId } = first.groupMetadata();
      assert.equal(instanceId, "mine");
      const events = witness.events.length;
      await first.close();
      await kit.drain(other);
      const second = await kit.member(topic, { groupId, instanceId: "mine", among: [other] });
      await kit.drain(other);
      assert.deepEqual(second.assignment(), held);
      assert.equal(second.groupMetadata().generation, generation);
      assert.equal(witness.events.length, events, "the other member was not disturbed");
    },
  },
  "a static member that crashed and is started again within its session goes on at once, without a rebalance": {
    needs: ["crash", "hasStaticMembers"],
    async run(kit) {
      const topic = await kit.topic(4);
      const groupId = kit.name("group");
      const witness = new Witness();
      const options = { groupId, sessionTimeoutMs: kit.harness.timings.patienceMs };
      const other = await kit.member(topic, { ...options, instanceId: "other", witness });
      const broker = await kit.connect();
      const first = await kit.member(topic, { ...options, instanceId: "mine", broker, among: [other] });
      await kit.until(() => other.assignment().length === 2 && first.assignment().length === 2, [other, first]);
      const held = [...first.assignment()];
      const { generation } = first.groupMetadata();
      const events = witness.events.length;
      await kit.harness.crash!(broker);
      const second = await kit.member(topic, { ...options, instanceId: "mine", among: [other] });
      await kit.drain(other);
      assert.deepEqual(second.assignment(), held);
      assert.equal(second.groupMetadata().generation, generation);
      assert.equal(witness.events.length, events, "the other member was not disturbed");
      appliedValue(await second.commit([positionAt(held[0]!, 1)], second.groupMetadata()));
    },
  },
  "what a static member committed before it was started again counts, and its older self cannot commit": {
    needs: ["hasStaticMembers"],
    async run(kit) {
      const topic = await kit.topic(1);
      const groupId = kit.name("group");
      await kit.put(topic, ["0", "1", "2"]);
      const older = await kit.member(topic, { groupId, instanceId: "mine" });
      const old = older.groupMetadata();
      await kit.take(older, 3);
      appliedValue(await older.commit([positionAt({ topic, partition: 0 }, 2)], old));
      const newer = await kit.member(topic, { groupId, instanceId: "mine", broker: await kit.connect() });
      const error = refusedError(await older.commit([positionAt({ topic, partition: 0 }, 3)], old));
      assert.ok(error instanceof FencedError, error.message);
      assert.deepEqual(await kit.values(newer, 1), ["2"]);
    },
  },
  "a static member that leaves for good hands its partitions over at once, and can come back": {
    needs: ["hasStaticMembers"],
    async run(kit) {
      const topic = await kit.topic(2);
      const groupId = kit.name("group");
      const options = { groupId, sessionTimeoutMs: kit.harness.timings.patienceMs * 2 };
      const witness = new Witness();
      const stays = await kit.member(topic, { ...options, instanceId: "stays" });
      const goer = { ...options, instanceId: "goes", among: [stays] };
      const goes = await kit.member(topic, { ...goer, broker: await kit.connect(), witness });
      await kit.until(() => stays.assignment().length === 1 && goes.assignment().length === 1, [stays, goes]);
      const [place] = goes.assignment();
      let kind = "";
      witness.onRevoked = async () => {
        kind = (await goes.commit([positionAt(place!, 0, "last")], goes.groupMetadata())).kind;
      };
      await goes.close({ isLeaving: true });
      assert.equal(kind, "applied");
      await kit.until(() => stays.assignment().length === 2, [stays]);
      const [committed] = await stays.committed([place!], { isStable: true });
      assert.equal(committed!.metadata, "last");
      const again = await kit.member(topic, { ...goer, broker: await kit.connect() });
      await kit.until(() => stays.assignment().length === 1 && again.assignment().length === 1, [stays, again]);
    },
  },
  "a static member that leaves for good while it waits for its partitions is not waited for, nor given any": {
    needs: ["hasStaticMembers"],
    async run(kit) {
      const topic = await kit.topic(2);
      const groupId = kit.name("group");
      const options = { groupId, sessionTimeoutMs: kit.harness.timings.patienceMs * 2 };
      const stays = await kit.member(topic, { ...options, instanceId: "stays" });
      const goes = await kit.consumer({ ...options, instanceId: "goes", broker: await kit.connect() });
      // The other one does not poll, and so gives nothing up yet.
      await goes.subscribe([topic], new Witness());
      assert.deepEqual(goes.assignment(), []);
      await goes.close({ isLeaving: true });
      await kit.drain(stays);
      await kit.drain(stays);
      await kit.until(() => stays.assignment().length === 2, [stays]);
      for (const partition of [0, 1]) {
        await kit.put(topic, ["x"], partition);
        await kit.take(stays, 1);
      }
    },
  },
  "a static member that is closed hears revoked()": {
    needs: ["hasStaticMembers"],
    async run(kit) {
      const topic = await kit.topic(1);
      const witness = new Witness();
      const consumer = await kit.member(topic, { instanceId: "mine", witness });
      await consumer.close();
      assert.deepEqual(witness.events, ["assigned 0", "revoked 0"]);
    },
  },
  "the older of two members with one instance id is fenced": {
    needs: ["hasStaticMembers"],
    async run(kit) {
      const topic = await kit.topic(1);
      const groupId = kit.name("group");
      const witness = new Witness();
      const older = await kit.member(topic, { groupId, instanceId: "mine", witness });
      const broker = await kit.connect();
      const newer = await kit.member(topic, { groupId, instanceId: "mine", broker });
      const error = refusedError(await older.commit([positionAt({ topic, partition: 0 }, 1)], older.groupMetadata()));
      assert.ok(error instanceof FencedError, error.message);
      let thrown: unknown;
      await kit.eventually(async () => {
        try {
          await older.poll({ ...PLENTY, timeoutMs: 20 });
        } catch (failure) {
          thrown = failure;
        }
        return thrown !== undefined;
      }, () => "the older member to be fenced");
      assert.ok(thrown instanceof FencedError, String(thrown));
      assert.deepEqual(witness.events, ["assigned 0", "lost 0"]);
      await kit.drain(newer);
      assert.equal(newer.assignment().length, 1);
    },
  },
  "a static member that stays away loses its partitions when its session is over": {
    needs: ["hasStaticMembers"],
    async run(kit) {
      const topic = await kit.topic(2);
      const groupId = kit.name("group");
      const { sessionTimeoutMs } = kit.harness.timings;
      const stays = await kit.member(topic, { groupId, instanceId: "stays", sessionTimeoutMs });
      const options = { groupId, instanceId: "goes", sessionTimeoutMs, broker: await kit.connect(), among: [stays] };
      const goes = await kit.member(topic, options);
      await kit.until(() => stays.assignment().length === 1 && goes.assignment().length === 1, [stays, goes]);
      const { generation } = stays.groupMetadata();
      await goes.close();
      await kit.until(() => stays.assignment().length === 2, [stays]);
      const without = stays.groupMetadata().generation;
      assert.ok(without > generation, "its partitions moved without a rebalance");
      const again = await kit.member(topic, { ...options, broker: await kit.connect() });
      await kit.until(() => stays.assignment().length === 1 && again.assignment().length === 1, [stays, again]);
      assert.ok(again.groupMetadata().generation > without, "it came back without a rebalance");
    },
  },
};
