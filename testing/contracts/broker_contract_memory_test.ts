import { MemoryBroker } from "../memory_broker.ts";
import { brokerContract, type BrokerHarness } from "./broker_contract.ts";

const TIMINGS = { patienceMs: 10_000, quietMs: 30, sessionTimeoutMs: 600, transactionTimeoutMs: 250 };

function done(act: () => unknown): Promise<void> {
  act();
  return Promise.resolve();
}

function harness(transactionVersion: 1 | 2): () => Promise<BrokerHarness> {
  return () => {
    const broker = new MemoryBroker({ transactionVersion });
    return Promise.resolve({
      broker,
      timings: TIMINGS,
      prefix: "case",
      connect: () => Promise.resolve(broker.connect()),
      crash: (client) => done(() => (client as MemoryBroker).crash()),
      deleteRecordsBefore: (...given) => done(() => broker.deleteRecordsBefore(...given)),
      compact: (place) => done(() => broker.compact(place)),
      truncate: (...given) => done(() => broker.truncate(...given)),
      setLeaderless: (...given) => done(() => broker.setLeaderless(...given)),
      setReplicasShort: (...given) => done(() => broker.setReplicasShort(...given)),
      moveCoordinator: (groupId, forMs) => done(() => broker.moveCoordinator(groupId, { forMs })),
      restart: () => done(() => broker.restart()),
      expireMember: (...given) => done(() => broker.expireMember(...given)),
      exhaustEpochs: (transactionalId) => done(() => broker.exhaustEpochs(transactionalId)),
      close: () => broker.close(),
    });
  };
}

brokerContract("MemoryBroker", harness(2));
brokerContract("MemoryBroker with transactions of the first generation", harness(1));
