import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { CheckpointConflictError } from "../../../lib/base/errors.ts";
import type { CheckpointManifest } from "../../../lib/core/checkpoint_manifest.ts";
import { greatestOwnerToken } from "../../../lib/core/checkpoint_owner.ts";
import { decodeManifest } from "../../../lib/core/manifest_codec.ts";
import { Checkpointer } from "../../../lib/runtime/checkpoint/checkpointer.ts";
import { claimOwnerToken } from "../../../lib/runtime/checkpoint/claim_owner_token.ts";
import {
  contentOf,
  EXPECTATIONS,
  factsOf,
  LINEAGE,
  NAMES,
  rowsOf,
  snapshotOf,
  storeOf,
  TASK,
} from "../../../lib/runtime/checkpoint/fixtures_test.ts";
import { Restorer } from "../../../lib/runtime/checkpoint/restorer.ts";
import type { Environment } from "../../../lib/seams/adapter.ts";
import { SeededRandom } from "../../seeded_random.ts";
import type { FaultKind, PlannedFault } from "../fault_kinds.ts";
import { SleepyClock } from "./fixtures_test.ts";
import { SimBlobStore } from "./sim_blob_store.ts";

const ROWS = 6;
const RETAINED = 2;

type Action = "publish" | "zombie" | "claim" | "restore" | "wait";

const aFault: fc.Arbitrary<PlannedFault> = fc.record({
  kind: fc.integer({ min: 1, max: 16 }).map((number) => `S${number}` as FaultKind),
  atMs: fc.integer({ min: 0, max: 60_000 }),
  process: fc.constant(0),
  durationMs: fc.integer({ min: 0, max: 60_000 }),
  draw: fc.nat(0xffff_ffff),
});
const anAction = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Action>("publish") },
  { weight: 1, arbitrary: fc.constantFrom<Action>("zombie", "claim", "restore") },
  { weight: 2, arbitrary: fc.constant<Action>("wait") },
);

/** One task that is owned by one owner after the other, on a store that meets faults. */
class World {
  readonly clock = new SleepyClock();
  readonly blobs = new SimBlobStore(this.clock);
  readonly published: number[] = [];
  readonly #random = new SeededRandom(1);
  readonly #environment: Environment = {
    random: this.#random,
    clock: {
      wallMs: () => this.clock.atMs,
      monotonicMs: () => this.clock.atMs,
      sleep: (ms) => this.clock.sleep(ms),
    },
    observer: { step: () => {}, log: () => {} },
  };
  #owners: { token: number; checkpointer: Checkpointer }[] = [];
  #version = 0;

  async act(action: Action): Promise<void> {
    this.clock.atMs += 1_000;
    if (action === "wait") this.clock.atMs += 10_000;
    else if (action === "restore") await this.restore();
    else if (action === "claim" || this.#owners.length === 0) await this.claim();
    else await this.publish(action === "zombie" ? 0 : this.#owners.length - 1);
  }

  async claim(): Promise<boolean> {
    const environment = this.#environment;
    try {
      const token = await claimOwnerToken(this.blobs, TASK, { environment, instance: `${this.#owners.length}` });
      const checkpointer = new Checkpointer({
        blobs: this.blobs,
        task: TASK,
        lineage: LINEAGE,
        ownerToken: token,
        environment,
        retained: RETAINED,
        segmentBytesMax: 150,
      });
      this.#owners.push({ token, checkpointer });
      return true;
    } catch (error) {
      assert(this.blobs.blames(error), `a claim fails only by a fault: ${error}`);
      return false;
    }
  }

  async publish(owner: number): Promise<boolean> {
    const version = ++this.#version;
    const { token, checkpointer } = this.#owners[owner]!;
    const snapshot = await snapshotOf(rowsOf(ROWS, version), `at ${version}`);
    const result = await checkpointer.publish(snapshot, factsOf(version));
    if (result.kind === "published") {
      this.published.push(version);
      const { retentionError } = result;
      assert(retentionError === undefined || this.blobs.blames(retentionError), `${retentionError}`);
      return true;
    }
    // An owner that was taken over is told so; also one whose token was claimed twice, as the first claim was lost.
    const isTakenOver = result.error instanceof CheckpointConflictError &&
      (greatestOwnerToken(this.blobs.names(), NAMES) > token ||
        this.#owners.some((other, at) => at !== owner && other.token === token));
    assert(isTakenOver || this.blobs.blames(result.error), `a checkpoint fails only by a fault: ${result.error}`);
    return false;
  }

  /** Ends in an error of a fault, or in the state of one version, whole. @returns The version, 0 for none. */
  async restore(): Promise<number> {
    const store = await storeOf();
    const restorer = new Restorer({
      blobs: this.blobs,
      task: TASK,
      lineage: LINEAGE,
      expectations: EXPECTATIONS,
      environment: this.#environment,
    });
    try {
      const loaded = await restorer.loadNewest(await restorer.listCandidates(), store);
      if (loaded === undefined) {
        assertEquals(await contentOf(store), { rows: {}, position: undefined });
        return 0;
      }
      const version = loaded.position.commitSequence;
      assertEquals(await contentOf(store), { rows: rowsOf(ROWS, version), position: `at ${version}` });
      return version;
    } catch (error) {
      assert(this.blobs.blames(error), `a restore fails only by a fault: ${error}`);
      return 0;
    }
  }

  /** What was written as manifests that are there, with their names. */
  manifests(): { name: string; manifest: CheckpointManifest }[] {
    return this.blobs.names(NAMES.prefix).filter((name) => NAMES.parse(name)?.kind === "manifest").map((name) => (
      { name, manifest: decodeManifest(this.blobs.written(name)!, name, NAMES).manifest }
    ));
  }

  /** Versions of checkpoints whose every byte is there. */
  intact(): number[] {
    return this.manifests().filter(({ name, manifest }) =>
      this.blobs.intact(name) && manifest.segments.every((segment) => this.blobs.intact(segment.name))
    ).map(({ manifest }) => manifest.position.commitSequence);
  }
}

async function run(actions: readonly Action[], faults: readonly PlannedFault[]): Promise<World> {
  const world = new World();
  for (const fault of faults) world.blobs.arm(fault);
  for (const action of actions) await world.act(action);
  world.blobs.heal();
  return world;
}

/** I-15: what a visible manifest names is there, unless a fault has taken or damaged it. */
function mustBeWhole({ blobs, ...world }: World, manifests: ReturnType<World["manifests"]>): void {
  for (const { name, manifest } of manifests) {
    for (const segment of manifest.segments) {
      const isThere = blobs.peek(segment.name)?.length === segment.bytes;
      assert(isThere || blobs.damaged.has(segment.name), `${name} without ${segment.name}, ${JSON.stringify(world)}`);
    }
  }
}

Deno.test("under any faults of the store a checkpoint is whole or an error that they are to be blamed for", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anAction, { minLength: 3, maxLength: 25 }),
      fc.array(aFault, { maxLength: 8 }),
      async (actions, faults) => {
        const world = await run(actions, faults);
        mustBeWhole(world, world.manifests());
        // I-17 and I-18: without further faults exactly the newest one that is intact is found.
        assertEquals(await world.restore(), Math.max(0, ...world.intact()));
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("a store that has one fault again and again damages nothing but what the fault damages", async () => {
  for (let number = 1; number <= 16; number++) {
    const kind = `S${number}` as FaultKind;
    let struck = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(anAction, { minLength: 10, maxLength: 25 }),
        fc.array(aFault.map((fault) => ({ ...fault, kind })), { minLength: 8, maxLength: 16 }),
        async (actions, faults) => {
          const world = await run(actions, faults);
          struck += world.blobs.ledger.length;
          mustBeWhole(world, world.manifests());
          assertEquals(await world.restore(), Math.max(0, ...world.intact()));
        },
      ),
      { numRuns: 25 },
    );
    assert(struck > 10, `${kind} has struck ${struck} times`);
  }
});

Deno.test("with fewer damages than checkpoints kept there is always one to restore", async () => {
  let damages = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(anAction, { minLength: 8, maxLength: 25 }),
      fc.array(aFault, { maxLength: 6 }),
      async (actions, faults) => {
        const world = await run(actions, faults);
        if (world.published.length < RETAINED || world.blobs.damaged.size >= RETAINED) return;
        damages += world.blobs.damaged.size;
        assert(await world.restore() > 0);
      },
    ),
    { numRuns: 250 },
  );
  assert(damages > 0, `only ${damages} damages`);
});

Deno.test("once the faults are over, the next owner's retention collects all that they left", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anAction, { minLength: 3, maxLength: 20 }),
      fc.array(aFault, { maxLength: 8 }),
      async (actions, faults) => {
        const world = await run(actions, faults);
        assert(await world.claim());
        for (let round = 0; round < RETAINED + 2; round++) assert(await world.act("publish") === undefined);
        assertEquals(world.intact(), world.published.slice(-RETAINED));
        const referenced = world.manifests().flatMap((
          { name, manifest },
        ) => [name, ...manifest.segments.map((segment) => segment.name)]);
        const left = world.blobs.names(NAMES.prefix).filter((name) => NAMES.parse(name)?.kind !== "owner");
        assertEquals(left, referenced.sort());
      },
    ),
    { numRuns: 250 },
  );
});
