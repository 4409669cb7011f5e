import { MemoryBroker } from "../memory_broker.ts";
import { brokerContract, type BrokerHarness } from "./broker_contract.ts";

const TIMINGS = { patienceMs: 10_000, quietMs: 30, sessionTimeoutMs: 600, transactionTimeoutMs: 250 };

function harness(transactionVersion: 1 | 2): () => Promise<BrokerHarness> {
  return () => {
    const broker = new MemoryBroker({ transactionVersion });
    return Promise.resolve({
      broker,
      timings: TIMINGS,
      prefix: "case",
      connect: () => Promise.resolve(broker.connect()),
      crash: (client) => {
        (client as MemoryBroker).crash();
        return Promise.resolve();
      },
      deleteRecordsBefore: (topic, partition, offset) => {
        broker.deleteRecordsBefore(topic, partition, offset);
        return Promise.resolve();
      },
      close: () => broker.close(),
    });
  };
}

brokerContract("MemoryBroker", harness(2));
brokerContract("MemoryBroker with transactions of the first generation", harness(1));
