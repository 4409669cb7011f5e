import type { SegmentPage } from "../../codecs/segment.ts";
import { sliceSpans } from "../../columns/spans.ts";

/** Rows that become one segment. */
export interface SegmentRows {
  /** The rows, at least one. */
  readonly pages: readonly SegmentPage[];
  /** Sum of the lengths of keys and values. */
  readonly bytes: number;
}

/**
 * Groups pages into segments of about `bytesMax` bytes; a page that is larger is cut. A single row larger than that has
 * a segment of its own. Holds at most one segment's rows and one page.
 *
 * @param pages The rows in key order.
 * @param bytesMax Keys and values of a segment, in bytes; at least 1.
 * @returns Groups that are not empty, in key order.
 */
export async function* segmentRows(pages: AsyncIterable<SegmentPage>, bytesMax: number): AsyncGenerator<SegmentRows> {
  let group: SegmentPage[] = [];
  let bytes = 0;
  for await (const page of pages) {
    for (let from = 0; from < page.count;) {
      const cut = rowsThatFit(page, from, bytesMax - bytes);
      if (cut.to === from && group.length > 0) {
        yield { pages: group, bytes };
        group = [];
        bytes = 0;
        continue;
      }
      const to = Math.max(cut.to, from + 1);
      group.push(slicePage(page, from, to));
      bytes += cut.to === from ? rowBytes(page, from) : cut.bytes;
      from = to;
    }
  }
  if (group.length > 0) yield { pages: group, bytes };
}

function rowsThatFit(page: SegmentPage, from: number, room: number): { to: number; bytes: number } {
  let bytes = 0;
  for (let row = from; row < page.count; row++) {
    const more = rowBytes(page, row);
    if (bytes + more > room) return { to: row, bytes };
    bytes += more;
  }
  return { to: page.count, bytes };
}

function rowBytes({ keys, values }: SegmentPage, row: number): number {
  const start = values.starts[row]!;
  return keys.ends[row]! - keys.starts[row]! + (start < 0 ? 0 : values.ends[row]! - start);
}

function slicePage(page: SegmentPage, from: number, to: number): SegmentPage {
  if (from === 0 && to === page.count) return page;
  return { count: to - from, keys: sliceSpans(page.keys, from, to), values: sliceSpans(page.values, from, to) };
}
