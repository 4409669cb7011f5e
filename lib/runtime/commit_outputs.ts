import type { Batch } from "../columns/schema.ts";
import type { ProduceRequest } from "../seams/broker.ts";

/** What one open commit of one task is going to produce. */
export class CommitOutputs {
  /** Records in the order in which they were made. */
  readonly requests: ProduceRequest[] = [];
  /** Batches with their topics, kept only when somebody asks for them after the commit. */
  readonly batches: { readonly topic: string; readonly batch: Batch }[] = [];
  /** Number of records. */
  rows = 0;
  /** About the number of bytes. */
  bytes = 0;

  /** Adds records. */
  add(request: ProduceRequest): void {
    this.requests.push(request);
    this.rows += request.records.count;
    this.bytes += request.records.values.bytes.length;
  }
}
