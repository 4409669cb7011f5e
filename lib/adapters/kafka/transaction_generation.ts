import { NotModelledError } from "../../base/errors.ts";
import type { KafkaConnection } from "./connection.ts";

/**
 * Generation of the protocol of transactions. In generation 1 partitions and groups join a transaction by requests of
 * their own, and a producer keeps its epoch. In generation 2 (KIP-890) they join with the first record or offset, and each
 * end bumps the epoch, so that nothing that is late can take effect in a later transaction.
 */
export type TransactionGeneration = 1 | 2;

const PRODUCE = 0;
const END_TRANSACTION = 26;
const TRANSACTION_OFFSETS = 28;
/** Versions of generation 2. */
const NEEDED = { [PRODUCE]: 12, [TRANSACTION_OFFSETS]: 5, [END_TRANSACTION]: 5 } as const;

/** Versions of the calls whose form depends on the generation. */
export const CALL_VERSIONS = {
  1: { produce: 9, offsets: 3, end: 3 },
  2: { produce: NEEDED[PRODUCE], offsets: NEEDED[TRANSACTION_OFFSETS], end: NEEDED[END_TRANSACTION] },
} as const;

/**
 * The generation to speak with a cluster.
 *
 * @param broker What the coordinator of the transactions speaks, and the features that its cluster has finalized.
 * @param wanted A generation, or `auto`: the highest one of the cluster.
 * @throws {NotModelledError} when generation 2 is wanted and the cluster has not finalized it.
 */
export function transactionGeneration(
  broker: Pick<KafkaConnection, "versions" | "features">,
  wanted: "auto" | TransactionGeneration,
): TransactionGeneration {
  if (wanted === 1) return 1;
  const { versions, features } = broker;
  const level = features["transaction.version"] ?? 0;
  const speaksAll = Object.entries(NEEDED).every(([apiKey, version]) =>
    (versions[Number(apiKey)]?.maxVersion ?? 0) >= version
  );
  if (level >= 2 && speaksAll) return 2;
  if (wanted === "auto") return 1;
  throw new NotModelledError(
    `Cannot use generation 2 of transactions as the cluster's feature transaction.version is ${level}: raise it with ` +
      "kafka-features.sh upgrade --feature transaction.version=2, or leave 'transactionProtocol' at 'auto'",
    { context: { level } },
  );
}
