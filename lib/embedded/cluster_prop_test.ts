import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Change } from "./change.ts";
import { decodeChange, encodeChange } from "./change_codec.ts";
import { EmbeddedCluster } from "./cluster.ts";
import { Driver } from "./cluster_driver_test.ts";
import { isVolatile, OP } from "./cluster_ops_test.ts";
import { snapshotChanges } from "./snapshot_changes.ts";

/** The durable state in a form that can be compared. */
function dump(cluster: EmbeddedCluster): string[] {
  return [...snapshotChanges(cluster)].map((change) => {
    const { meta, payload } = encodeChange(change);
    return JSON.stringify(meta) + (payload === null ? "" : payload.toHex?.() ?? [...payload].join());
  });
}

function overJson(change: Change): Change {
  const { meta, payload } = encodeChange(change);
  return decodeChange(JSON.parse(JSON.stringify(meta)), payload === null ? null : payload.slice());
}

function rebuilt(changes: Iterable<Change>): EmbeddedCluster {
  const cluster = new EmbeddedCluster();
  for (const change of changes) cluster.apply(overJson(change));
  return cluster;
}

const HISTORY = { ops: fc.array(OP, { maxLength: 60, size: "max" }), version: fc.constantFrom(1 as const, 2 as const) };

Deno.test("EmbeddedCluster: fetch agrees with a plain list under random transactions, retries and retention", () => {
  fc.assert(
    fc.property(HISTORY.ops, HISTORY.version, (ops, version) => {
      const driver = new Driver(new EmbeddedCluster());
      driver.start(version);
      for (const op of ops) driver.run(op);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("EmbeddedCluster: a journal of changes and a snapshot both rebuild an equal cluster", () => {
  fc.assert(
    fc.property(HISTORY.ops, HISTORY.version, (ops, version) => {
      const cluster = new EmbeddedCluster();
      const journal: Change[] = [];
      cluster.onChange((change) => journal.push(overJson(change)));
      const driver = new Driver(cluster);
      driver.start(version);
      for (const op of ops) driver.run(op);
      const expected = dump(cluster);
      assertEquals(dump(rebuilt(journal)), expected);
      assertEquals(dump(rebuilt(snapshotChanges(cluster))), expected);
    }),
    { numRuns: 800 },
  );
});

Deno.test("EmbeddedCluster: a rebuilt cluster answers later requests as the one it was rebuilt from", () => {
  fc.assert(
    fc.property(HISTORY.ops, HISTORY.ops, HISTORY.version, (before, after, version) => {
      const cluster = new EmbeddedCluster();
      const pair = new Pair(cluster);
      const driver = new Driver(pair.both);
      driver.start(version);
      for (const op of before) if (!isVolatile(op)) driver.run(op);
      pair.twin = rebuilt(snapshotChanges(cluster));
      for (const op of after) if (!isVolatile(op)) driver.run(op);
      assertEquals(dump(pair.twin), dump(cluster));
    }),
    { numRuns: 800 },
  );
});

/** Sends each request to a cluster and, once there is one, to its twin: both must answer the same. */
class Pair {
  twin: EmbeddedCluster | null = null;
  readonly both: EmbeddedCluster;

  constructor(cluster: EmbeddedCluster) {
    this.both = new Proxy(cluster, {
      get: (target, name) => {
        const member = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        return (...given: unknown[]) => {
          const answer = member.apply(target, given);
          if (this.twin !== null) {
            const other = Reflect.get(this.twin, name, this.twin) as (...given: unknown[]) => unknown;
            assertEquals(json(other.apply(this.twin, given)), json(answer));
          }
          return answer;
        };
      },
    });
  }
}

function json(value: unknown): string {
  return JSON.stringify(value, (_, item) => typeof item === "bigint" ? `${item}n` : item) ?? "undefined";
}
