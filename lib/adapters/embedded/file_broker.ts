import { BrokerUnavailableError } from "../../base/errors.ts";
import type { Change } from "../../embedded/change.ts";
import { decodeChange, encodeChange } from "../../embedded/change_codec.ts";
import { EmbeddedCluster, type EmbeddedClusterOptions } from "../../embedded/cluster.ts";
import type { JournalEntry } from "../../embedded/journal/entry.ts";
import { snapshotChanges } from "../../embedded/snapshot_changes.ts";
import type { Environment } from "../../seams/adapter.ts";
import type {
  Broker,
  BrokerAdmin,
  BrokerCapabilities,
  Consumer,
  ConsumerOptions,
  Producer,
  TransactionalProducer,
  TransactionalProducerOptions,
} from "../../seams/broker.ts";
import type { LocalDisk } from "../../seams/local_disk.ts";
import { EmbeddedBroker, type EmbeddedBrokerOptions } from "./embedded_broker.ts";
import { FileJournal, type FileJournalOptions } from "./file_journal.ts";

/** Options of {@linkcode FileBroker}. */
export interface FileBrokerOptions {
  /** What users wrote. @default {"file:" and the disk's root} */
  location?: string;
  /** Who opens it, for the message of the next one who tries. @default {"turbine broker"} */
  holder?: string;
  /** Bounds of the broker: retention, sizes. @default {{}} */
  cluster?: EmbeddedClusterOptions;
  /** Defaults of its clients. @default {{}} */
  broker?: Omit<EmbeddedBrokerOptions, "location" | "journal">;
  /** Sizes of the journal's files and bounds of its compaction. @default {{}} */
  journal?: Pick<FileJournalOptions, "segmentBytesMax" | "groupBytesMax" | "compactBytesMin" | "compactRatio">;
}

/** Those of the embedded broker: everything. */
const CAPABILITIES: BrokerCapabilities = Object.freeze({
  isTransactional: true,
  hasStaticMembers: true,
  hasStableOffsets: true,
  createsTopics: true,
});

interface Opened {
  readonly broker: EmbeddedBroker;
  readonly journal: FileJournal;
}

/**
 * The embedded broker with its changes in a directory: for a single machine, one process at a time. What was
 * acknowledged survives the end of the process and of the machine.
 */
export class FileBroker implements Broker {
  /** What users wrote. */
  readonly location: string;
  /** What it can do: everything. */
  readonly capabilities: BrokerCapabilities = CAPABILITIES;
  readonly #disk: LocalDisk;
  readonly #environment: Environment;
  readonly #options: FileBrokerOptions;
  #opening: Promise<Opened> | undefined;
  #isClosed = false;

  /**
   * A broker over a directory; nothing is touched yet.
   *
   * @param disk The directory.
   * @param environment Time, randomness and log.
   * @param options Bounds and names.
   */
  constructor(disk: LocalDisk, environment: Environment, options: FileBrokerOptions = {}) {
    this.#disk = disk;
    this.#environment = environment;
    this.#options = options;
    this.location = options.location ?? `file:${disk.root}`;
  }

  /**
   * Takes the directory and recovers the broker from it. Called by the first other call too.
   *
   * @throws {StateLockedError} when another process has it open; the message names that process.
   * @throws {JournalCorruptError} when a file is damaged where a torn end cannot explain it, or of a newer release.
   * @throws {DiskUnavailableError} when the directory cannot be used.
   */
  async open(): Promise<void> {
    await (await this.#opened()).open();
  }

  /** A new member of a group. */
  async consumer(options: ConsumerOptions): Promise<Consumer> {
    return await (await this.#opened()).consumer(options);
  }

  /** A new idempotent producer. */
  async producer(): Promise<Producer> {
    return await (await this.#opened()).producer();
  }

  /** A new transactional producer. */
  async transactionalProducer(options: TransactionalProducerOptions): Promise<TransactionalProducer> {
    return await (await this.#opened()).transactionalProducer(options);
  }

  /** Administration. */
  async admin(): Promise<BrokerAdmin> {
    return await (await this.#opened()).admin();
  }

  /**
   * Another client of the same broker, as another process of a cluster would be. Closing it leaves this one open.
   *
   * @param environment Time and randomness of that client. @default {as this one's}
   */
  async connect(environment: Environment = this.#environment): Promise<Broker> {
    return (await this.#opened()).connect(environment);
  }

  /**
   * Closes everything that was opened through it, makes durable what is not yet, and gives the directory free. Closing
   * twice is no error.
   *
   * @throws {StreamError} when the last changes cannot be written; everything is closed nevertheless.
   */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const opened = await this.#opening?.catch(() => undefined);
    if (opened === undefined) return;
    try {
      await opened.broker.close();
    } finally {
      await opened.journal.close();
    }
  }

  async #opened(): Promise<EmbeddedBroker> {
    if (this.#isClosed) {
      throw new BrokerUnavailableError(`Cannot use the broker of ${this.location}: it was closed; make a new one`, {
        context: { location: this.location },
      });
    }
    // A failed attempt may be repeated: the other process may have ended meanwhile.
    this.#opening ??= this.#recover().catch((error) => {
      this.#opening = undefined;
      throw error;
    });
    return (await this.#opening).broker;
  }

  async #recover(): Promise<Opened> {
    const { holder = "turbine broker", cluster: clusterOptions = {}, broker = {}, journal: sizes = {} } = this.#options;
    const cluster = new EmbeddedCluster(clusterOptions);
    const journal = await FileJournal.open({
      ...sizes,
      disk: this.#disk,
      holder,
      observer: this.#environment.observer,
      random: this.#environment.random,
      replay: ({ meta, payload }) => cluster.apply(decodeChange(meta, payload)),
      snapshot: () => snapshotEntries(cluster),
    });
    const changes = {
      append: (change: Change) => journal.append(encodeChange(change)),
      sync: () => journal.sync(),
    };
    const options = { ...broker, location: this.location, journal: changes };
    return { broker: new EmbeddedBroker(cluster, this.#environment, options), journal };
  }
}

/** Changes are gathered at once, without their records; each is encoded when it is written. */
function* snapshotEntries(cluster: EmbeddedCluster): Generator<() => JournalEntry, void, undefined> {
  for (const change of snapshotChanges(cluster)) yield () => encodeChange(change);
}
