import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { AssignmentLostError, BrokerUnavailableError, FencedError } from "../../base/errors.ts";
import { Witness } from "../../../testing/contracts/broker_contract_kit.ts";
import { commitGroupOffsets } from "./group_offsets.ts";
import { ConsumerMembership } from "./consumer_membership.ts";
import { holdProcess } from "../system/hold_process.ts";
import { FakeGroup, positionIn, topicIdOf } from "./fake_group_test.ts";
import type { KafkaClient } from "./kafka_client.ts";
import { Notice } from "./notice.ts";

const NOT_COORDINATOR = 16;
const UNKNOWN_MEMBER = 25;
const FENCED_INSTANCE = 82;
const FENCED_EPOCH = 110;
const UNRELEASED_INSTANCE = 111;
const STALE_EPOCH = 113;

/** A member of a fake group. */
class Scene {
  readonly group = new FakeGroup();
  readonly witness = new Witness();
  readonly client: KafkaClient = this.group.client();
  readonly member: ConsumerMembership;

  constructor(instanceId: string | null = null, sessionTimeoutMs = 45_000) {
    const options = { groupId: "g", instanceId, sessionTimeoutMs, clientId: "test" };
    this.member = new ConsumerMembership(this.client, options, new Notice(this.client.environment.clock));
    this.client.members.add(this.member);
  }

  /** Settles until something holds; a coordinator that cannot be reached is tried again. */
  async until(isTrue: () => boolean): Promise<void> {
    const endMs = performance.now() + 5_000;
    while (!isTrue()) {
      assert(performance.now() < endMs, "waited in vain");
      await this.member.settle().catch((error: unknown) => {
        if (!(error instanceof BrokerUnavailableError)) throw error;
      });
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Commits partitions under a fence. */
  commit(partitions: readonly number[], group = this.member.metadata()) {
    const positions = partitions.map(positionIn);
    return this.client.members.commit(
      positions,
      group,
      (fence) => commitGroupOffsets(this.client, positions, { group: fence, channel: this.member.channel }),
    );
  }

  get held(): number[] {
    return this.member.assignment.map(({ partition }) => partition);
  }
}

/** Registers a test of one scene. */
function memberTest(name: string, run: (scene: Scene) => Promise<void>, makeScene = () => new Scene()): void {
  Deno.test(`ConsumerMembership ${name}`, async () => {
    const scene = makeScene();
    try {
      await run(scene);
    } finally {
      scene.group.onHeartbeat = () => ({ epoch: 1 });
      await scene.member.leave({ isDirty: true });
      await scene.client.close();
    }
  });
}

memberTest("tells all once, then only what it holds, and all again after a lost reply", async (scene) => {
  const { group, member, witness } = scene;
  let count = 0;
  group.onHeartbeat = () => ++count === 4 ? new BrokerUnavailableError("lost") : { epoch: 1, partitions: [0, 1] };
  await member.subscribe(["t"], witness);
  await scene.until(() => group.heartbeats.length >= 6);
  assertEquals(group.heartbeats.slice(0, 6).map(({ topics }) => topics), [["t"], null, null, null, ["t"], null]);
  assertEquals([group.heartbeats[0]!.epoch, group.heartbeats[0]!.owned], [0, []]);
  assertEquals([group.heartbeats[5]!.epoch, group.heartbeats[5]!.owned], [1, [0, 1]]);
  assertEquals(witness.events, ["assigned 0,1"]);
});

memberTest("names a partition as its own until revoked() has resolved, and revokes nothing else", async (scene) => {
  const { group, member, witness } = scene;
  group.onHeartbeat = ({ epoch }) => epoch === 0 ? { epoch: 1, partitions: [0, 1, 2] } : { epoch: 1 };
  await member.subscribe(["t"], witness);
  await scene.until(() => scene.held.length === 3);
  let seenWhileRevoking: (readonly number[] | null)[] = [];
  witness.onRevoked = async () => {
    const from = group.heartbeats.length;
    while (group.heartbeats.length < from + 3) await new Promise((resolve) => setTimeout(resolve, 1));
    seenWhileRevoking = group.heartbeats.slice(from).map(({ owned }) => owned);
  };
  group.onHeartbeat = ({ owned }) => owned!.includes(1) ? { epoch: 1, partitions: [0, 2] } : { epoch: 2 };
  await scene.until(() => member.metadata().generation === 2);
  assert(seenWhileRevoking.every((owned) => owned!.length === 3), JSON.stringify(seenWhileRevoking));
  assertEquals([witness.events, scene.held], [["assigned 0,1,2", "revoked 1"], [0, 2]]);
});

for (const code of [UNKNOWN_MEMBER, FENCED_EPOCH]) {
  memberTest(`has lost its partitions when it is answered ${code}, and joins again with nothing`, async (scene) => {
    const { group, member, witness } = scene;
    group.onHeartbeat = ({ epoch }) => epoch === 0 ? { epoch: 5, partitions: [0] } : { code };
    await member.subscribe(["t"], witness);
    await scene.until(() => witness.count("assigned") === 1);
    group.onHeartbeat = ({ epoch }) => epoch === 5 ? { code } : { epoch: 6, partitions: [0] };
    await scene.until(() => witness.count("assigned") === 2);
    assertEquals(witness.events, ["assigned 0", "lost 0", "assigned 0"]);
    const rejoins = group.heartbeats.filter(({ epoch }) => epoch === 0);
    assertEquals(rejoins.map(({ topics, owned }) => [topics, owned]), [[["t"], []], [["t"], []]]);
  });
}

memberTest("has lost its partitions when nobody answers for a session", async (scene) => {
  const { group, member, witness } = scene;
  group.onHeartbeat = () => ({ epoch: 1, partitions: [0] });
  await member.subscribe(["t"], witness);
  await scene.until(() => scene.held.length === 1);
  group.onHeartbeat = () => new BrokerUnavailableError("cut off");
  const join = () => {
    group.onHeartbeat = ({ epoch }) => ({ epoch: epoch + 1, partitions: [0] });
    return true;
  };
  await scene.until(() => witness.count("lost") === 1 && join());
  await scene.until(() => witness.count("assigned") === 2);
}, () => new Scene(null, 60));

memberTest("commits under the newest epoch what was begun under an older one and held all the while", async (scene) => {
  const { group, member, witness } = scene;
  group.onHeartbeat = () => ({ epoch: 1, partitions: [0, 1] });
  await member.subscribe(["t"], witness);
  await scene.until(() => scene.held.length === 2);
  const fence = member.metadata();
  group.onHeartbeat = ({ owned }) => owned!.includes(1) ? { epoch: 1, partitions: [0] } : { epoch: 2, partitions: [0] };
  await scene.until(() => member.metadata().generation === 2);
  group.onHeartbeat = () => ({ epoch: 2, partitions: [0, 1] });
  await scene.until(() => scene.held.length === 2);
  await scene.commit([0], fence);
  assertEquals(group.commits, [2]);
  group.onCommit = (generation) => generation === 2 ? 0 : STALE_EPOCH;
  const returned = await scene.commit([1], fence);
  assert(returned.kind === "not-applied");
  assertInstanceOf(returned.error, AssignmentLostError);
  assertEquals((await scene.commit([1])).kind, "applied");
  assertEquals(group.commits, [2, 1, 2]);
});

memberTest("asks for the newest epoch when the group is ahead, and commits again", async (scene) => {
  const { group, member, witness } = scene;
  let epoch = 1;
  group.onHeartbeat = () => ({ epoch: epoch === 1 ? 1 : epoch, partitions: [0] });
  await member.subscribe(["t"], witness);
  await scene.until(() => scene.held.length === 1);
  group.onCommit = (generation) => {
    epoch = 4;
    return generation === 4 ? 0 : STALE_EPOCH;
  };
  assertEquals((await scene.commit([0])).kind, "applied");
  assertEquals(group.commits.at(-1), 4);
});

memberTest("of a static instance that was taken over is fenced, also when a commit finds it first", async (scene) => {
  const { group, member, witness } = scene;
  group.onHeartbeat = () => ({ epoch: 1, partitions: [0] });
  await member.subscribe(["t"], witness);
  await scene.until(() => scene.held.length === 1);
  group.onHeartbeat = () => ({ code: FENCED_INSTANCE });
  group.onCommit = () => UNKNOWN_MEMBER;
  const outcome = await scene.commit([0]);
  assert(outcome.kind === "not-applied");
  assertInstanceOf(outcome.error, FencedError);
  await assertRejects(() => scene.until(() => false), FencedError);
  assertEquals(witness.events, ["assigned 0", "lost 0"]);
}, () => new Scene("mine"));

memberTest("says goodbye again while the coordinator moves, and once when nobody waits for it", async (scene) => {
  const { group, member, witness } = scene;
  group.onHeartbeat = () => ({ epoch: 1, partitions: [0] });
  await member.subscribe(["t"], witness);
  await scene.until(() => scene.held.length === 1);
  const goodbyes = () => group.heartbeats.filter(({ epoch }) => epoch === -1).length;
  group.onHeartbeat = ({ epoch }) => epoch === -1 && goodbyes() < 3 ? { code: NOT_COORDINATOR } : { epoch: 1 };
  const letGo = holdProcess();
  await member.leave({});
  letGo();
  assertEquals([goodbyes(), witness.events], [3, ["assigned 0", "revoked 0"]]);
  const other = new Scene();
  other.group.onHeartbeat = ({ epoch }) => epoch === -1 ? { code: NOT_COORDINATOR } : { epoch: 1, partitions: [0] };
  await other.member.subscribe(["t"], other.witness);
  await other.until(() => other.held.length === 1);
  await other.member.leave({ isDirty: true });
  assertEquals(other.group.heartbeats.filter(({ epoch }) => epoch === -1).length, 1);
  await other.client.close();
});

memberTest("releases its instance id from a member that went without a goodbye", async (scene) => {
  const { group, member, witness } = scene;
  group.members = [{ memberId: "dead", instanceId: "mine", epoch: 7 }];
  let isFree = false;
  group.onHeartbeat = ({ memberId, epoch }) => {
    isFree ||= memberId === "dead" && epoch === -2;
    return isFree ? { epoch: 7, partitions: [0] } : { code: UNRELEASED_INSTANCE };
  };
  await member.subscribe(["t"], witness);
  await scene.until(() => scene.held.length === 1);
  assertEquals(member.metadata().generation, 7);
  const goodbye = group.heartbeats.find(({ memberId }) => memberId === "dead")!;
  assertEquals([goodbye.epoch, goodbye.instanceId, goodbye.owned, goodbye.topics], [-2, "mine", null, null]);
}, () => new Scene("mine"));

for (const [instanceId, isLeaving, epoch] of [[null, false, -1], ["mine", false, -2], ["mine", true, -1]] as const) {
  const how = `instance id ${instanceId}${isLeaving ? ", for good" : ""}`;
  memberTest(`leaves with epoch ${epoch} after revoked(): ${how}`, async (scene) => {
    const { group, member, witness } = scene;
    group.onHeartbeat = () => ({ epoch: 1, partitions: [0] });
    await member.subscribe(["t"], witness);
    await scene.until(() => scene.held.length === 1);
    await member.leave({ isLeaving });
    assertEquals(witness.events, ["assigned 0", "revoked 0"]);
    const last = group.heartbeats.at(-1)!;
    assertEquals([last.epoch, last.instanceId, last.owned], [epoch, instanceId, null]);
  }, () => new Scene(instanceId));
}

memberTest("has lost what it held of a topic that was created again, and is given the new one", async (scene) => {
  const { group, member, witness } = scene;
  group.onHeartbeat = () => ({ epoch: 1, partitions: [0, 1] });
  await member.subscribe(["t"], witness);
  await scene.until(() => scene.held.length === 2);
  group.incarnation = 2;
  group.onHeartbeat = () => ({ epoch: 2, partitions: [0] });
  await scene.until(() => scene.held.length === 1);
  assertEquals(witness.events, ["assigned 0,1", "lost 0,1", "assigned 0"]);
});

memberTest("takes nothing that the group may take back before it hears of it", async (scene) => {
  const { group, member, witness } = scene;
  group.onHeartbeat = () => ({ epoch: 1, partitions: [0] });
  await member.subscribe(["t"], witness);
  await scene.until(() => scene.held.length === 1);
  // One heartbeat is told of partition 1; the next, which cannot name it yet, is under way when that is to be taken.
  const held = Promise.withResolvers<void>();
  let count = 0;
  group.onHeartbeat = async ({ owned }) => {
    if (++count === 1) return { epoch: 2, partitions: [0, 1] };
    assertEquals(owned, [0]);
    await held.promise;
    return { epoch: 3, partitions: [0] };
  };
  while (count < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  for (let turn = 0; turn < 5; turn++) await member.settle();
  assertEquals(scene.held, [0]);
  held.resolve();
  await scene.until(() => member.metadata().generation === 3);
  await member.settle();
  assertEquals(witness.events, ["assigned 0"]);
});

memberTest("asks again for partitions of a topic that the metadata do not have yet", async (scene) => {
  const { group, member, witness } = scene;
  group.onHeartbeat = () => ({ epoch: 1, partitions: [0], topicId: topicIdOf(2) });
  await member.subscribe(["t"], witness);
  await scene.until(() => group.heartbeats.length > 3);
  assertEquals(scene.held, []);
  group.incarnation = 2;
  await scene.until(() => scene.held.length === 1);
  assert(group.heartbeats.slice(1, 3).some(({ topics }) => topics !== null), "it asked for the whole again");
});

memberTest("lets an older group choose its member id", async (scene) => {
  const { group, member, witness } = scene;
  group.heartbeatVersion = 0;
  group.onHeartbeat = () => ({ epoch: 1, partitions: [0] });
  await member.subscribe(["t"], witness);
  await scene.until(() => group.heartbeats.length > 1);
  assertEquals(group.heartbeats.slice(0, 2).map(({ memberId }) => memberId), ["", "given"]);
});

memberTest("makes the group's session what it was told, once", async (scene) => {
  const { group, member, witness } = scene;
  await member.subscribe(["t"], witness);
  assertEquals(group.config.get("consumer.session.timeout.ms"), "set");
}, () => new Scene(null, 9_000));
