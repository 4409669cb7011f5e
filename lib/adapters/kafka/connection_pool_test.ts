import { assert, assertEquals, assertRejects } from "@std/assert";
import { FakeClock } from "../../../testing/fake_clock.ts";
import { AuthorizationError, BrokerUnavailableError } from "../../base/errors.ts";
import type { KafkaConnection } from "./connection.ts";
import { ConnectionPool } from "./connection_pool.ts";
import { processEnvironment } from "./process_environment.ts";

const PLACE = { host: "a", port: 1 };
const USER = { name: "main", clientId: "me" };

/** Connections that open when `open` resolves. */
class Scene {
  readonly clock = new FakeClock();
  readonly made: { isOpen: boolean; clientId: string; host: string }[] = [];
  /** Decides about the next attempts. */
  open: () => Promise<void> = () => Promise.resolve();
  random = 2 ** 32 - 1;
  readonly pool: ConnectionPool;

  constructor() {
    const environment = { ...processEnvironment(), clock: this.clock, random: { uint32: () => this.random } };
    this.pool = new ConnectionPool(
      ({ host, port }, clientId) => {
        const state = { isOpen: false, clientId, host };
        this.made.push(state);
        const connection: KafkaConnection = {
          address: `${host}:${port}`,
          get isOpen() {
            return state.isOpen;
          },
          versions: {},
          features: {},
          open: async () => {
            await this.open();
            state.isOpen = true;
          },
          send: () => Promise.reject(new Error("not here")),
          destroy: () => state.isOpen = false,
        };
        return connection;
      },
      environment,
      { reconnectBackoffMs: 50, reconnectBackoffMaxMs: 1_000 },
    );
  }

  /** Fails attempts, and tells after which waits they were made. */
  async failures(count: number): Promise<number[]> {
    this.open = () => Promise.reject(new BrokerUnavailableError("Nobody is there"));
    const waits: number[] = [];
    for (let i = 0; i < count; i++) {
      const beganMs = this.clock.monotonicMs();
      let isOver = false;
      const attempt = assertRejects(() => this.pool.get(USER, PLACE), BrokerUnavailableError).finally(() =>
        isOver = true
      );
      await this.clock.advance(0);
      while (!isOver) await this.clock.advance(1);
      await attempt;
      waits.push(this.clock.monotonicMs() - beganMs);
    }
    return waits;
  }
}

Deno.test("get() opens one connection for all who ask, and one for each channel", async () => {
  const { pool, made } = new Scene();
  const [one, two] = await Promise.all([pool.get(USER, PLACE), pool.get(USER, PLACE)]);
  assert(one === two && one === await pool.get(USER, PLACE));
  assert(one !== await pool.get({ name: "fetch", clientId: "you" }, PLACE));
  assert(one !== await pool.get(USER, { host: "b", port: 1 }));
  assertEquals(made.map(({ clientId, host }) => `${clientId}@${host}`), ["me@a", "you@a", "me@b"]);
});

Deno.test("get() opens another connection when the last one is lost", async () => {
  const { pool, made } = new Scene();
  const one = await pool.get(USER, PLACE);
  made[0]!.isOpen = false;
  assert(one !== await pool.get(USER, PLACE));
});

Deno.test("get() waits longer from failure to failure, up to the bound, and at once after a success", async () => {
  const scene = new Scene();
  assertEquals(await scene.failures(8), [0, 50, 100, 200, 400, 800, 1_000, 1_000]);
  scene.open = () => Promise.resolve();
  const opening = scene.pool.get(USER, PLACE);
  await scene.clock.advance(1_000);
  await opening;
  scene.made.at(-1)!.isOpen = false;
  assertEquals(await scene.failures(2), [0, 50]);
});

Deno.test("get() waits at random", async () => {
  const scene = new Scene();
  scene.random = 2 ** 31;
  assertEquals(await scene.failures(4), [0, 25, 50, 100]);
});

Deno.test("get() of another place does not wait for one that failed, and isResting() tells them apart", async () => {
  const scene = new Scene();
  await scene.failures(1);
  const other = { host: "b", port: 1 };
  assertEquals([scene.pool.isResting(PLACE), scene.pool.isResting(other)], [true, false]);
  scene.open = () => Promise.resolve();
  await scene.pool.get(USER, other);
  await scene.clock.advance(50);
  assertEquals(scene.pool.isResting(PLACE), false);
});

Deno.test("get() also waits after credentials were refused", async () => {
  const scene = new Scene();
  scene.open = () => Promise.reject(new AuthorizationError("No"));
  await assertRejects(() => scene.pool.get(USER, PLACE), AuthorizationError);
  assert(scene.pool.isResting(PLACE));
});

Deno.test("close() ends who waits, closes what is open and what opens, and nothing is opened afterwards", async () => {
  const scene = new Scene();
  await scene.failures(1);
  const waiting = assertRejects(() => scene.pool.get(USER, PLACE), BrokerUnavailableError, "it is closed");
  await scene.clock.advance(0);
  scene.open = () => Promise.resolve();
  await scene.pool.get(USER, { host: "b", port: 1 });
  const held = Promise.withResolvers<void>();
  scene.open = () => held.promise;
  const opening = scene.pool.get(USER, { host: "c", port: 1 });
  const closing = scene.pool.close();
  held.resolve();
  await Promise.all([waiting, closing, opening]);
  assertEquals(scene.made.map(({ isOpen }) => isOpen), [false, false, false]);
  await assertRejects(() => scene.pool.get(USER, { host: "d", port: 1 }), BrokerUnavailableError);
  assertEquals(scene.clock.sleeperCount, 0);
});

Deno.test("closeChannel() closes that channel only", async () => {
  const { pool, made } = new Scene();
  await pool.get(USER, PLACE);
  await pool.get({ name: "main-2", clientId: "me" }, PLACE);
  pool.closeChannel("main");
  await Promise.resolve();
  await Promise.resolve();
  assertEquals(made.map(({ isOpen }) => isOpen), [false, true]);
});
