import type { LogBatch } from "./log_batch.ts";
import { PartitionProducers } from "./partition_producers.ts";

/** Something that a log, or what is remembered of it, tells of a producer. */
interface Evidence {
  readonly producerId: number;
  readonly epoch: number;
  readonly offset: number;
  /** Whether it is lost. */
  readonly isLost: boolean;
  /** First sequence number and number of records; `null` for a control record. */
  readonly batch: { readonly sequence: number; readonly count: number; readonly isTransactional: boolean } | null;
}

/**
 * What a partition knows of producers after its log was cut back: as if what is lost had never been appended. A repeated
 * batch that is lost is appended again; one that comes after a lost one is out of order. A transaction is open when the log
 * holds records of it and no control record after them. A producer of which nothing is
 * left has to begin anew at sequence number 0, where Kafka would take any number and so hide the loss.
 *
 * @param before What it knew.
 * @param held All batches that the log held, oldest first.
 * @param logEnd Everything from here on is lost.
 */
export function truncatedProducers(
  before: PartitionProducers,
  held: readonly LogBatch[],
  logEnd: number,
): PartitionProducers {
  const evidence = [...evidenceOf(held, logEnd), ...rememberedOf(before, held, logEnd)];
  evidence.sort((a, b) => a.offset - b.offset);
  const after = new PartitionProducers();
  for (const producer of before.values()) {
    // What the log does not tell any more was before all that it holds.
    const { producerId, epoch } = producer;
    const own = evidence.filter((one) => one.producerId === producerId && one.epoch === epoch);
    const isForgotten = own.length > 0 && own.every(({ isLost }) => isLost);
    if (!isForgotten) after.restore({ producerId, epoch, batches: [], openFrom: null });
  }
  for (const { producerId, epoch, offset, isLost, batch } of evidence) {
    if (isLost) continue;
    const known = after.get(producerId);
    // Of an epoch before the one that is known to be newest, no sequence number counts any more.
    const isOutdated = known !== undefined && epoch < known.epoch;
    if (batch === null) {
      if (isOutdated) known.openFrom = null;
      else after.close(producerId, epoch);
      continue;
    }
    const { sequence, count, isTransactional } = batch;
    if (!isOutdated) after.remember(producerId, { epoch, sequence, count, firstOffset: offset });
    if (isTransactional) after.open(producerId, offset);
  }
  return after;
}

function evidenceOf(held: readonly LogBatch[], logEnd: number): Evidence[] {
  return held.filter(({ producerId }) => producerId >= 0).map((batch) => {
    const { producerId, producerEpoch: epoch, baseOffset: offset, lastOffset, sequence, isTransactional } = batch;
    const count = lastOffset + 1 - offset;
    const isLost = lastOffset >= logEnd;
    const tells = batch.records === null ? null : { sequence, count, isTransactional };
    return { producerId, epoch, offset, isLost, batch: tells };
  });
}

/** Batches that are remembered, but not held any more: retention or compaction took them. */
function rememberedOf(before: PartitionProducers, held: readonly LogBatch[], logEnd: number): Evidence[] {
  const offsets = new Set(held.map(({ baseOffset }) => baseOffset));
  const found: Evidence[] = [];
  for (const { producerId, epoch, batches } of before.values()) {
    for (const [first, last, offset] of batches) {
      if (offsets.has(offset)) continue;
      // Whatever it was part of is decided: neither retention nor compaction passes the last stable offset.
      const batch = { sequence: first, count: last + 1 - first, isTransactional: false };
      found.push({ producerId, epoch, offset, isLost: offset + last - first >= logEnd, batch });
    }
  }
  return found;
}
