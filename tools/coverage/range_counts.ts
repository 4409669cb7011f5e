/** How often a piece of a script ran, as V8 writes it. */
export interface CountedRange {
  /** First code unit. */
  readonly startOffset: number;
  /** One past the last code unit. */
  readonly endOffset: number;
  /** How often. */
  readonly count: number;
}

/** What a coverage file of Deno says about one script of one isolate. */
export interface ScriptProfile {
  /** Address of the module. */
  readonly url: string;
  /** Its functions; their ranges nest, and a range counts for what no inner range covers. */
  readonly functions: readonly { readonly ranges: readonly CountedRange[] }[];
}

/** Counts of one script in one isolate: which range is the innermost at a place. */
export class RangeCounts {
  /** Places where another range becomes the innermost. */
  private readonly places: number[] = [];
  /** The innermost range from each such place on. */
  private readonly innermost: CountedRange[] = [];

  /** @param profile What V8 wrote. */
  constructor(profile: ScriptProfile) {
    const ranges = profile.functions.flatMap(({ ranges }) => ranges);
    ranges.sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
    const open: CountedRange[] = [{ startOffset: 0, endOffset: Infinity, count: 0 }];
    const closeUntil = (place: number) => {
      while (open.at(-1)!.endOffset <= place) {
        const { endOffset } = open.pop()!;
        this.put(endOffset, open.at(-1)!);
      }
    };
    for (const range of ranges) {
      closeUntil(range.startOffset);
      open.push(range);
      this.put(range.startOffset, range);
    }
    closeUntil(Number.MAX_SAFE_INTEGER);
  }

  /**
   * The innermost range at a place.
   *
   * @param place A code unit of the script.
   */
  at(place: number): CountedRange {
    let low = 0;
    let high = this.places.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.places[middle]! <= place) low = middle;
      else high = middle;
    }
    return this.innermost[low]!;
  }

  private put(place: number, range: CountedRange): void {
    if (this.places.at(-1) === place) this.innermost[this.places.length - 1] = range;
    else {
      this.places.push(place);
      this.innermost.push(range);
    }
  }
}
