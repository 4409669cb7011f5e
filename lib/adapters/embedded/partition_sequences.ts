/** Sequence numbers of one partition. */
interface Track {
  /** Of the next record. */
  next: number;
  /** One past the last record that is appended, as far as is known. */
  appended: number;
  /** First sequence number of each batch that is under way. */
  readonly underWay: Set<number>;
}

/** Sequence numbers of a producer by partition: batches may be under way together, and a refused one uses none. */
export class PartitionSequences {
  readonly #tracks = new Map<string, Track>();

  /**
   * Takes the numbers of a batch that is sent now.
   *
   * @param key Key of the partition.
   * @param count Number of records.
   * @returns The first of them.
   */
  take(key: string, count: number): number {
    let track = this.#tracks.get(key);
    if (track === undefined) this.#tracks.set(key, track = { next: 0, appended: 0, underWay: new Set() });
    const sequence = track.next;
    track.next += count;
    track.underWay.add(sequence);
    return sequence;
  }

  /** Whether a batch that was sent before is still under way: until then the later one may come out of order. */
  isBehind(key: string, sequence: number): boolean {
    for (const other of this.#tracks.get(key)?.underWay ?? []) if (other < sequence) return true;
    return false;
  }

  /** A batch is appended, or may be. */
  end(key: string, sequence: number, count: number): void {
    const track = this.#tracks.get(key)!;
    track.underWay.delete(sequence);
    track.appended = Math.max(track.appended, sequence + count);
  }

  /** A batch was refused; its numbers are free again once nothing that was sent behind it is under way. */
  giveBack(key: string, sequence: number): void {
    const track = this.#tracks.get(key)!;
    track.underWay.delete(sequence);
    if (track.underWay.size === 0) track.next = track.appended;
  }
}
