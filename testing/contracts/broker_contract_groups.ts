import assert from "node:assert/strict";
import { AssignmentLostError } from "../../lib/base/errors.ts";
import type { Consumer } from "../../lib/seams/broker.ts";
import type { BrokerCase } from "./broker_contract.ts";
import { appliedValue, type Kit, PLENTY, positionAt, refusedError, Witness } from "./broker_contract_kit.ts";

const partitionsOf = (consumer: Consumer): number[] => consumer.assignment().map(({ partition }) => partition).sort();

/** Two members of one group that share a topic. */
async function pair(kit: Kit, topic: string, partitions: number): Promise<[Consumer, Consumer, string]> {
  const groupId = kit.name("group");
  const one = await kit.member(topic, { groupId });
  const two = await kit.member(topic, { groupId, broker: await kit.connect(), among: [one] });
  await kit.until(() => one.assignment().length + two.assignment().length === partitions, [one, two]);
  return [one, two, groupId];
}

/** Rules of groups: who has what, and when. */
export const GROUP_CASES: Readonly<Record<string, BrokerCase>> = {
  "the only member gets all partitions, told once": {
    async run(kit) {
      const topic = await kit.topic(3);
      const witness = new Witness();
      const consumer = await kit.member(topic, { witness });
      assert.deepEqual(partitionsOf(consumer), [0, 1, 2]);
      assert.deepEqual(witness.events, ["assigned 0,1,2"]);
    },
  },
  "assigned() is awaited before records of the partitions come": {
    async run(kit) {
      const topic = await kit.topic();
      await kit.put(topic, ["1"]);
      const consumer = await kit.consumer();
      let isReady = false;
      await consumer.subscribe([topic], {
        assigned: async () => {
          await kit.pause(20);
          isReady = true;
        },
        revoked: () => Promise.resolve(),
        lost: () => Promise.resolve(),
      });
      await kit.take(consumer, 1);
      assert.ok(isReady);
    },
  },
  "two members share the partitions, none twice and none left out": {
    async run(kit) {
      const topic = await kit.topic(5);
      const [one, two] = await pair(kit, topic, 5);
      assert.deepEqual([...partitionsOf(one), ...partitionsOf(two)].sort(), [0, 1, 2, 3, 4]);
      assert.ok(Math.abs(one.assignment().length - two.assignment().length) <= 1);
    },
  },
  "two members together read every record once": {
    async run(kit) {
      const topic = await kit.topic(4);
      const [one, two] = await pair(kit, topic, 4);
      for (const partition of [0, 1, 2, 3]) await kit.put(topic, [`p${partition}`], partition);
      const ones = await kit.values(one, one.assignment().length);
      const twos = await kit.values(two, two.assignment().length);
      assert.deepEqual([...ones, ...twos].sort(), ["p0", "p1", "p2", "p3"]);
    },
  },
  "revoked() is awaited before somebody else is assigned": {
    async run(kit) {
      const topic = await kit.topic(2);
      const groupId = kit.name("group");
      const order: string[] = [];
      const oneWitness = new Witness();
      oneWitness.onRevoked = async () => {
        order.push("one lets go");
        await kit.pause(60);
        order.push("one has let go");
      };
      const one = await kit.member(topic, { groupId, witness: oneWitness });
      const two = await kit.consumer({ groupId, broker: await kit.connect() });
      await two.subscribe([topic], {
        assigned: (partitions) => {
          order.push(`two has ${partitions.length}`);
          return Promise.resolve();
        },
        revoked: () => Promise.resolve(),
        lost: () => Promise.resolve(),
      });
      await Promise.all([
        kit.until(() => two.assignment().length > 0, [two]),
        kit.until(() => two.assignment().length > 0, [one]),
      ]);
      assert.deepEqual(order.slice(0, 3), ["one lets go", "one has let go", "two has 1"]);
    },
  },
  "a commit within revoked() is accepted": {
    async run(kit) {
      const topic = await kit.topic(2);
      const groupId = kit.name("group");
      const witness = new Witness();
      const one = await kit.member(topic, { groupId, witness });
      let kinds: string[] = [];
      witness.onRevoked = async (partitions) => {
        const positions = partitions.map(({ partition }) => positionAt({ topic, partition }, 0));
        kinds = [...kinds, (await one.commit(positions, one.groupMetadata())).kind];
      };
      await kit.member(topic, { groupId, broker: await kit.connect(), among: [one] });
      assert.equal(kinds[0], "applied");
    },
  },
  "what a member commits in revoked() is where the next one begins": {
    async run(kit) {
      const topic = await kit.topic(1);
      const groupId = kit.name("group");
      await kit.put(topic, ["0", "1", "2"]);
      const witness = new Witness();
      const one = await kit.member(topic, { groupId, witness });
      await kit.take(one, 3);
      witness.onRevoked = async () => {
        appliedValue(await one.commit([positionAt({ topic, partition: 0 }, 2)], one.groupMetadata()));
      };
      await one.close();
      const two = await kit.member(topic, { groupId });
      assert.deepEqual(await kit.values(two, 1), ["2"]);
    },
  },
  "a member that leaves hands its partitions over": {
    async run(kit) {
      const topic = await kit.topic(4);
      const [one, two] = await pair(kit, topic, 4);
      await one.close();
      await kit.until(() => two.assignment().length === 4, [two]);
      assert.deepEqual(partitionsOf(two), [0, 1, 2, 3]);
    },
  },
  "generations grow with each rebalance": {
    async run(kit) {
      const topic = await kit.topic(2);
      const groupId = kit.name("group");
      const one = await kit.member(topic, { groupId });
      const before = one.groupMetadata();
      assert.equal(before.groupId, groupId);
      const two = await kit.member(topic, { groupId, broker: await kit.connect(), among: [one] });
      const isEven = () => one.groupMetadata().generation === two.groupMetadata().generation;
      await kit.until(() => one.assignment().length === 1 && isEven(), [one, two]);
      assert.ok(one.groupMetadata().generation > before.generation);
      assert.notEqual(one.groupMetadata().memberId, two.groupMetadata().memberId);
    },
  },
  "a commit of an older generation is refused for a partition that was given away since": {
    async run(kit) {
      const topic = await kit.topic(2);
      const groupId = kit.name("group");
      const one = await kit.member(topic, { groupId });
      const old = one.groupMetadata();
      const two = await kit.member(topic, { groupId, broker: await kit.connect(), among: [one] });
      await kit.until(() => one.assignment().length === 1, [one, two]);
      const [given] = two.assignment();
      const [kept] = one.assignment();
      for (const positions of [[positionAt(given!, 1)], [positionAt(kept!, 1), positionAt(given!, 1)]]) {
        const error = refusedError(await one.commit(positions, old));
        assert.ok(error instanceof AssignmentLostError, error.message);
      }
      assert.deepEqual(await one.committed([given!, kept!], { isStable: false }), []);
    },
  },
  "a commit of an older generation is refused although its partition has come back": {
    async run(kit) {
      const topic = await kit.topic(2);
      const groupId = kit.name("group");
      const one = await kit.member(topic, { groupId });
      const old = one.groupMetadata();
      const two = await kit.member(topic, { groupId, broker: await kit.connect(), among: [one] });
      await kit.until(() => one.assignment().length === 1, [one, two]);
      const [given] = two.assignment();
      await two.close();
      await kit.until(() => one.assignment().length === 2, [one]);
      const error = refusedError(await one.commit([positionAt(given!, 1)], old));
      assert.ok(error instanceof AssignmentLostError, error.message);
      appliedValue(await one.commit([positionAt(given!, 2)], one.groupMetadata()));
    },
  },
  "a member that goes on keeps at least its fair share of what it had, whoever joins or leaves": {
    async run(kit) {
      const topic = await kit.topic(6);
      const groupId = kit.name("group");
      const one = await kit.member(topic, { groupId });
      const before = partitionsOf(one);
      const two = await kit.member(topic, { groupId, broker: await kit.connect(), among: [one] });
      await kit.until(() => one.assignment().length === 3 && two.assignment().length === 3, [one, two]);
      const [ones, twos] = [partitionsOf(one), partitionsOf(two)];
      assert.ok(ones.every((partition) => before.includes(partition)));
      const three = await kit.member(topic, { groupId, broker: await kit.connect(), among: [one, two] });
      const all = [one, two, three];
      await kit.until(() => all.every((consumer) => consumer.assignment().length === 2), all);
      assert.ok(partitionsOf(one).every((partition) => ones.includes(partition)));
      assert.ok(partitionsOf(two).every((partition) => twos.includes(partition)));
      const held = partitionsOf(two);
      await three.close();
      await kit.until(() => one.assignment().length === 3 && two.assignment().length === 3, [one, two]);
      assert.ok(held.every((partition) => partitionsOf(two).includes(partition)));
    },
  },
  "a commit of a member that left is refused": {
    async run(kit) {
      const topic = await kit.topic(2);
      const [one, two] = await pair(kit, topic, 2);
      const old = two.groupMetadata();
      await two.close();
      await kit.until(() => one.assignment().length === 2, [one]);
      const error = refusedError(await one.commit([positionAt({ topic, partition: 0 }, 1)], old));
      assert.ok(error instanceof AssignmentLostError, error.message);
    },
  },
  "close() awaits revoked() once": {
    async run(kit) {
      const topic = await kit.topic(2);
      const witness = new Witness();
      const consumer = await kit.member(topic, { witness });
      await consumer.close();
      await consumer.close();
      assert.deepEqual(witness.events, ["assigned 0,1", "revoked 0,1"]);
    },
  },
  "close({ isDirty }) says nothing to the listener": {
    async run(kit) {
      const topic = await kit.topic(2);
      const witness = new Witness();
      const consumer = await kit.member(topic, { witness });
      await consumer.close({ isDirty: true });
      assert.deepEqual(witness.events, ["assigned 0,1"]);
    },
  },
  "close() ends a running poll": {
    async run(kit) {
      const topic = await kit.topic();
      const consumer = await kit.member(topic);
      const polled = consumer.poll({ ...PLENTY, timeoutMs: kit.harness.timings.patienceMs * 100 });
      await kit.pause(10);
      await consumer.close();
      assert.deepEqual(await polled, []);
    },
  },
  "more members than partitions is no error": {
    async run(kit) {
      const topic = await kit.topic(1);
      const groupId = kit.name("group");
      const one = await kit.member(topic, { groupId });
      const two = await kit.consumer({ groupId, broker: await kit.connect() });
      await two.subscribe([topic], new Witness());
      const generation = one.groupMetadata().generation;
      const isSettled = () =>
        one.groupMetadata().generation > generation &&
        one.groupMetadata().generation === two.groupMetadata().generation;
      await kit.until(isSettled, [one, two]);
      assert.equal(one.assignment().length + two.assignment().length, 1);
    },
  },
  "the same partition number of two topics goes to one member": {
    async run(kit) {
      const topics = [await kit.topic(4), await kit.topic(4)];
      const groupId = kit.name("group");
      const one = await kit.consumer({ groupId });
      await one.subscribe(topics, new Witness());
      await kit.until(() => one.assignment().length === 8, [one]);
      const two = await kit.consumer({ groupId, broker: await kit.connect() });
      await two.subscribe(topics, new Witness());
      await kit.until(() => one.assignment().length === 4 && two.assignment().length === 4, [one, two]);
      for (const consumer of [one, two]) {
        const held = (topic: string) =>
          consumer.assignment().filter((place) => place.topic === topic).map(({ partition }) => partition).sort();
        assert.deepEqual(held(topics[0]!), held(topics[1]!));
      }
    },
  },
  "a member that does not poll for longer than its session keeps its partitions": {
    async run(kit) {
      const topic = await kit.topic();
      const witness = new Witness();
      const { sessionTimeoutMs } = kit.harness.timings;
      const consumer = await kit.member(topic, { witness, sessionTimeoutMs });
      const generation = consumer.groupMetadata().generation;
      await kit.pause(sessionTimeoutMs * 1.5);
      await kit.put(topic, ["1"]);
      assert.deepEqual(await kit.values(consumer, 1), ["1"]);
      assert.deepEqual(witness.events, ["assigned 0"]);
      assert.equal(consumer.groupMetadata().generation, generation);
    },
  },
  "a member that crashed loses its partitions when its session is over": {
    needs: ["crash"],
    async run(kit) {
      const topic = await kit.topic(2);
      const groupId = kit.name("group");
      const { sessionTimeoutMs } = kit.harness.timings;
      const broker = await kit.connect();
      const one = await kit.member(topic, { groupId, sessionTimeoutMs, broker });
      const two = await kit.member(topic, { groupId, sessionTimeoutMs, among: [one] });
      await kit.until(() => one.assignment().length === 1 && two.assignment().length === 1, [one, two]);
      await kit.harness.crash!(broker);
      await kit.until(() => two.assignment().length === 2, [two]);
    },
  },
  "records that a crashed member did not commit are read again": {
    needs: ["crash"],
    async run(kit) {
      const topic = await kit.topic(1);
      const groupId = kit.name("group");
      const { sessionTimeoutMs } = kit.harness.timings;
      await kit.put(topic, ["0", "1", "2"]);
      const broker = await kit.connect();
      const one = await kit.member(topic, { groupId, sessionTimeoutMs, broker });
      await kit.take(one, 3);
      appliedValue(await one.commit([positionAt({ topic, partition: 0 }, 1)], one.groupMetadata()));
      await kit.harness.crash!(broker);
      const two = await kit.consumer({ groupId, sessionTimeoutMs });
      await two.subscribe([topic], new Witness());
      assert.deepEqual(await kit.values(two, 2), ["1", "2"]);
    },
  },
};
