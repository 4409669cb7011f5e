import fc from "fast-check";

/** Partitions of the one topic. */
export const PARTITIONS = 2;
/** Two transactional producers and an idempotent one. */
export const SENDERS = ["tx-a", "tx-b", "plain"] as const;

/** One thing that happens to a cluster. */
export type Op =
  | { op: "produce"; sender: number; partition: number; count: number; how: "next" | "repeat" | "gap" }
  | { op: "end"; sender: number; isCommit: boolean }
  | { op: "initialize"; sender: number }
  | { op: "exhaust"; sender: number }
  | { op: "offsets"; sender: number; offset: number }
  | { op: "commit-offset"; partition: number; offset: number }
  | { op: "delete-before"; partition: number; part: number }
  | { op: "compact"; partition: number; part: number }
  | { op: "truncate"; partition: number; part: number }
  | { op: "abort-hanging"; partition: number }
  | { op: "leader"; partition: number }
  | { op: "leaderless"; partition: number; isOn: boolean }
  | { op: "short"; partition: number; isOn: boolean }
  | { op: "move"; what: "group" | "transaction"; ms: number }
  | { op: "restart" }
  | { op: "hold"; isHeld: boolean }
  | { op: "wait"; ms: number }
  | { op: "member"; member: number; isJoin: boolean }
  | { op: "fetch"; partition: number; part: number; maxRecords: number; maxBytes: number; isCommitted: boolean }
  | { op: "read-on"; reader: number; partition: number; maxRecords: number };

const sender = fc.nat({ max: SENDERS.length - 1 });
const partition = fc.nat({ max: PARTITIONS - 1 });
const part = fc.nat({ max: 100 });
const isOn = fc.boolean();

function weighted<T extends Op["op"]>(weight: number, op: T, fields: Record<string, fc.Arbitrary<unknown>>) {
  const arbitrary = fc.record({ op: fc.constant(op), ...fields }) as unknown as fc.Arbitrary<Op>;
  return { weight, arbitrary };
}

/** Any of them. */
export const OP: fc.Arbitrary<Op> = fc.oneof(
  weighted(10, "produce", {
    sender,
    partition,
    count: fc.integer({ min: 1, max: 4 }),
    how: fc.constantFrom("next", "next", "next", "repeat", "gap"),
  }),
  weighted(4, "end", { sender, isCommit: fc.boolean() }),
  weighted(1, "initialize", { sender }),
  weighted(1, "exhaust", { sender }),
  weighted(1, "offsets", { sender, offset: fc.nat({ max: 9 }) }),
  weighted(1, "commit-offset", { partition, offset: fc.nat(9) }),
  weighted(1, "delete-before", { partition, part }),
  weighted(2, "compact", { partition, part }),
  weighted(2, "truncate", { partition, part }),
  weighted(1, "abort-hanging", { partition }),
  weighted(1, "leader", { partition }),
  weighted(1, "leaderless", { partition, isOn }),
  weighted(1, "short", { partition, isOn }),
  weighted(1, "move", { what: fc.constantFrom("group", "transaction"), ms: fc.nat({ max: 400 }) }),
  weighted(1, "restart", {}),
  weighted(1, "hold", { isHeld: isOn }),
  weighted(1, "wait", { ms: fc.nat({ max: 600 }) }),
  weighted(1, "member", { member: fc.nat(2), isJoin: fc.boolean() }),
  weighted(4, "fetch", {
    partition,
    part,
    maxRecords: fc.integer({ min: 1, max: 8 }),
    maxBytes: fc.integer({ min: 1, max: 60 }),
    isCommitted: fc.boolean(),
  }),
  weighted(4, "read-on", { reader: fc.nat({ max: 1 }), partition, maxRecords: fc.integer({ min: 1, max: 8 }) }),
);

/** What a restart forgets, or what only a clock brings about: a cluster that was rebuilt may answer it otherwise. */
export function isVolatile({ op }: Op): boolean {
  return ["member", "wait", "hold", "leaderless", "short", "move", "restart"].includes(op);
}
