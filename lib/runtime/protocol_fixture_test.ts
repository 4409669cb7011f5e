/** What the protocol tests share: a job with state, its input, and a plain-map reference of what must come out. */
import { assert, assertEquals } from "@std/assert";
import { batchOf, int32, json, type SubscribeOptions, topic, Turbine, type TurbineOptions, utf8 } from "../../mod.ts";
import { TestDriver, type TestDriverOptions } from "../../testing/test_driver.ts";

/** The two guarantees. */
export type Guarantee = "at-least-once" | "exactly-once";
/** The two guarantees. */
export const GUARANTEES: readonly Guarantee[] = ["at-least-once", "exactly-once"];

/** Input: numbered events; `id` is unique. */
export const events = topic("events", { value: json({ id: int32(), key: utf8() }) });
/** Output: each event with the number of events of its key so far, in its partition. */
export const tallies = topic("tallies", {
  value: json({ id: int32(), key: utf8(), count: int32(), partition: int32() }),
});

/** One output row. */
export interface Tally {
  /** Of the event. */
  id: number;
  /** Of the event. */
  key: string;
  /** Events of the key so far. */
  count: number;
  /** Input partition. */
  partition: number;
}

/** Settings of {@linkcode tallyApp}. */
export interface TallyOptions extends Omit<SubscribeOptions, "publishTo" | "state"> {
  /** Settings of the app. */
  app?: TurbineOptions;
}

/** A job whose output shows its state: it counts the events of each key. */
export function tallyApp(guarantee: Guarantee, options: TallyOptions = {}): Turbine {
  const { app: appOptions = {}, ...more } = options;
  const app = new Turbine("tally", {
    checkpointIntervalMs: 700,
    stateFlushIntervalMs: 150,
    retainedCheckpoints: 2,
    failoverGraceMs: 10_000,
    ...appOptions,
  });
  app.subscribe(
    events,
    { processingGuarantee: guarantee, publishTo: tallies, batchRows: 4, commitIntervalMs: 50, ...more },
    async (batch, { state, input }) => {
      const ids = batch.getChild("id").toArray(), keys = batch.getChild("key").toJSON();
      const before = await state.getMany<number>(keys);
      const counts = new Map<string, number>();
      const rows = keys.map((key, at): Tally => {
        const count = (counts.get(key) ?? before[at] ?? 0) + 1;
        counts.set(key, count);
        return { id: ids[at]!, key, count, partition: input.partition };
      });
      for (const [key, count] of counts) state.put(key, count);
      return batchOf(tallies.schema, rows);
    },
  );
  return app;
}

/** What {@linkcode TallyRun.check} allows. */
export interface CheckOptions {
  /** Rows that may be there twice. @default {0} */
  duplicatesMax?: number;
  /** Whether rows are in order. @default {true} */
  isOrdered?: boolean;
}

/** Input of a run, and what must come out of it. */
export class TallyRun {
  /** The driver. */
  readonly driver: TestDriver;
  /** What must come out, in input order of each partition. */
  readonly expected: Tally[] = [];
  readonly #counts = new Map<string, number>();
  #next = 0;

  private constructor(driver: TestDriver) {
    this.driver = driver;
  }

  /** Starts an app. */
  static async start(
    app: Turbine,
    options: Omit<TestDriverOptions, "partitions"> & { readonly partitions?: Readonly<Record<string, number>> } = {},
  ): Promise<TallyRun> {
    const partitions = { events: 1, tallies: 1, ...options.partitions };
    return new TallyRun(await TestDriver.start(app, { ...options, partitions }));
  }

  /** Puts events into a partition; keys repeat. */
  feed(count: number, partition = 0): void {
    const rows: string[] = [];
    for (let i = 0; i < count; i++) {
      const id = this.#next++;
      const key = `k${(id * 7) % 5}`;
      const place = `${partition}/${key}`;
      const tally = (this.#counts.get(place) ?? 0) + 1;
      this.#counts.set(place, tally);
      this.expected.push({ id, key, count: tally, partition });
      rows.push(JSON.stringify({ id, key }));
    }
    this.driver.broker.put("events", rows, partition);
  }

  /** Feeds again and again while virtual time passes; resolves when all is fed. */
  async keepFeeding(options: { rounds: number; rows?: number; pauseMs?: number; partitions?: number }): Promise<void> {
    const { rounds, rows = 3, pauseMs = 100, partitions = 1 } = options;
    for (let round = 0; round < rounds; round++) {
      this.feed(rows, round % partitions);
      await this.driver.clock.sleep(pauseMs);
    }
  }

  /** Events that are in the log and not committed. */
  get uncommitted(): number {
    const committed = this.driver.broker.committedOffsets("tally.events");
    const logs = this.driver.broker.cluster.state.topics.get("events")!.logs;
    return logs.reduce((sum, log, partition) => {
      const own = committed.find((each) => each.topic === "events" && each.partition === partition);
      return sum + log.lastStableOffset - (own?.offset ?? 0);
    }, 0);
  }

  /**
   * Settles, and compares what a reader sees with the reference: nothing lost, nothing wrong, and nothing twice.
   *
   * @param options `duplicatesMax`: how many rows may be there twice (at-least-once, after a failure); `isOrdered`: whether
   * the last time that each row is there is in input order.
   */
  async check(options: CheckOptions = {}): Promise<void> {
    await this.driver.settle();
    this.checkNow(options);
  }

  /** As {@linkcode TallyRun.check}, without settling. */
  checkNow({ duplicatesMax = 0, isOrdered = true }: CheckOptions = {}): void {
    const seen = this.driver.read(tallies) as Tally[];
    const byId = new Map(this.expected.map((tally) => [tally.id, tally]));
    const last = new Map<number, Tally>();
    for (const tally of seen) {
      assertEquals(tally, byId.get(tally.id)!, `the state is not the fold of the input at event ${tally.id}`);
      // Behind all that were there before: a row that is there twice counts where it is last.
      last.delete(tally.id);
      last.set(tally.id, tally);
    }
    const lost = this.expected.filter(({ id }) => !last.has(id)).map(({ id }) => id);
    assertEquals(lost, [], "events were lost");
    const duplicates = seen.length - last.size;
    assert(duplicates <= duplicatesMax, `${duplicates} rows are there twice, at most ${duplicatesMax} may be`);
    if (!isOrdered) return;
    for (const partition of new Set(this.expected.map((each) => each.partition))) {
      const inOrder = [...last.values()].filter((each) => each.partition === partition).map(({ id }) => id);
      const ids = this.expected.filter((each) => each.partition === partition).map(({ id }) => id);
      assertEquals(inOrder, ids, `partition ${partition} is out of order`);
    }
  }

  /** One more event of each key comes out with the right count: state is the fold, whatever was published. */
  async probe(options: CheckOptions & { partitions?: number } = {}): Promise<void> {
    for (let partition = 0; partition < (options.partitions ?? 1); partition++) this.feed(10, partition);
    await this.check(options);
  }

  /** Ends the run. */
  async close(): Promise<void> {
    await this.driver.close();
  }
}
