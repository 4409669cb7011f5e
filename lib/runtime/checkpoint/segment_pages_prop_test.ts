import fc from "fast-check";
import { assert, assertEquals } from "@std/assert";
import type { SegmentPage } from "../../codecs/segment.ts";
import { spanBytes, spansByteLength, spansOf } from "../../columns/spans.ts";
import { segmentRows } from "./segment_pages.ts";

async function* pagesOf(pages: readonly (readonly string[])[]): AsyncGenerator<SegmentPage> {
  for (const rows of pages) yield { count: rows.length, keys: spansOf(rows), values: spansOf(rows.map(() => "v")) };
}

const keysOf = (page: SegmentPage) =>
  [...Array(page.count).keys()].map((row) => new TextDecoder().decode(spanBytes(page.keys, row)!));

Deno.test("segmentRows() keeps all rows in order, in groups that fit or hold a single row", async () => {
  const pages = fc.array(fc.array(fc.stringMatching(/^[a-z]{0,20}$/), { maxLength: 12 }), { maxLength: 6 });
  await fc.assert(fc.asyncProperty(pages, fc.integer({ min: 1, max: 60 }), async (pages, bytesMax) => {
    const seen: string[] = [];
    let before = Infinity;
    for await (const group of segmentRows(pagesOf(pages), bytesMax)) {
      const rows = group.pages.flatMap(keysOf);
      assert(rows.length > 0);
      const size = group.pages.reduce(
        (sum, page) => sum + spansByteLength(page.keys) + spansByteLength(page.values),
        0,
      );
      assertEquals(group.bytes, size);
      assert(size <= bytesMax || rows.length === 1, `${rows.length} rows of ${size} bytes`);
      // A group ends only where its next row no longer fits.
      assert(before + rows[0]!.length + 1 > bytesMax);
      before = size;
      seen.push(...rows);
    }
    assertEquals(seen, pages.flat());
  }));
});
