/**
 * The rules of transactions against a real Kafka, with each generation of the protocol. Runs when TURBINE_TEST_KAFKA names
 * one (`host:port`).
 */
import type { KafkaBroker } from "../../lib/adapters/kafka/kafka_broker.ts";
import { BROKER_CASES, brokerContract, type BrokerHarness } from "../contracts/broker_contract.ts";
import { ADAPTERS, holdingEnvironment, testKafka } from "./kafka_brokers.ts";

const ADDRESS = testKafka();
const TIMINGS = { patienceMs: 30_000, quietMs: 400, sessionTimeoutMs: 2_000, transactionTimeoutMs: 2_000 };

interface Way {
  readonly adapter: keyof typeof ADAPTERS;
  readonly transactionProtocol: 1 | 2;
}

async function makeHarness(address: string, { adapter, transactionProtocol }: Way): Promise<BrokerHarness> {
  const bounds = { heartbeatIntervalMs: 100, fetchWaitMs: 20, transactionProtocol };
  const brokers = new Set<KafkaBroker>();
  const connect = () => {
    const broker = ADAPTERS[adapter]({ brokers: [address], ...bounds }, holdingEnvironment());
    brokers.add(broker);
    return Promise.resolve(broker);
  };
  const broker = await connect();
  await broker.open();
  return {
    broker,
    timings: TIMINGS,
    prefix: `${adapter}-${transactionProtocol}-${Date.now().toString(36)}`,
    connect,
    crash: (client) => (client as KafkaBroker).crash(),
    close: async () => {
      for (const each of brokers) await each.close();
    },
  };
}

/** Registers the cases that need transactions. */
function register(name: string, run: () => Promise<void>): void {
  const title = name.slice(name.indexOf(": ") + 2);
  if (BROKER_CASES[title]!.needs?.includes("isTransactional") === true) Deno.test(name, run);
}

if (ADDRESS === undefined) {
  console.log("cannot: both generations of transactions: TURBINE_TEST_KAFKA is not set to host:port");
} else {
  for (const adapter of Object.keys(ADAPTERS) as Way["adapter"][]) {
    for (const transactionProtocol of [1, 2] as const) {
      const name = `${adapter}, generation ${transactionProtocol}`;
      brokerContract(name, () => makeHarness(ADDRESS, { adapter, transactionProtocol }), { register });
    }
  }
}
