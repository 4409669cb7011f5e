/**
 * Checks that another implementation of Arrow reads a checkpoint segment row by row as it was written. Needs Python with
 * pyarrow (`pip install pyarrow`):
 *
 * deno run --allow-read --allow-write --allow-run=python3 tools/check_segment_pyarrow.ts
 */
import { encodeSegment } from "../lib/codecs/segment.ts";
import { sha256Hex } from "../lib/base/sha256.ts";
import { spansOf } from "../lib/columns/spans.ts";

const PROGRAM = `
import hashlib, json, sys
import pyarrow.ipc
table = pyarrow.ipc.open_file(sys.argv[1]).read_all()
table.validate(full=True)
digest = hashlib.sha256()
for key, value in zip(table["key"].to_pylist(), table["value"].to_pylist()):
    digest.update(key + b"=" + (b"null" if value is None else value) + b";")
print(json.dumps({"columns": [str(field) for field in table.schema], "rows": table.num_rows, "digest": digest.hexdigest(),
                  "version": table.schema.metadata[b"turbine.segment"].decode()}))
`;

/** Rows of a delta: every third value is a deletion, every fifth is empty. */
function rows(count: number): { keys: string[]; values: (string | null)[] } {
  const keys = Array.from({ length: count }, (_, i) => `key ${String(i).padStart(8, "0")}`);
  const values = keys.map((key, i) => i % 3 === 0 ? null : i % 5 === 0 ? "" : `value of ${key}`);
  return { keys, values };
}

/** Writes a segment, lets pyarrow read it, and compares; returns the exit code. */
export async function checkSegment(count: number): Promise<number> {
  const { keys, values } = rows(count);
  const { bytes } = encodeSegment([{ count, keys: spansOf(keys), values: spansOf(values) }], "delta");
  const text = keys.map((key, i) => `${key}=${values[i] ?? "null"};`).join("");
  const expected = JSON.stringify({
    columns: ["pyarrow.Field<key: binary not null>", "pyarrow.Field<value: binary>"],
    rows: count,
    digest: sha256Hex(new TextEncoder().encode(text)),
    version: "1",
  });
  const path = await Deno.makeTempFile({ suffix: ".arrow" });
  try {
    await Deno.writeFile(path, bytes);
    const command = new Deno.Command("python3", { args: ["-c", PROGRAM, path], stderr: "inherit" });
    const { success, stdout } = await command.output();
    if (!success) return 1;
    const found = JSON.stringify(JSON.parse(new TextDecoder().decode(stdout)));
    console.log(
      found === expected ? `pyarrow reads ${count} rows as written` : `expected ${expected}\nfound    ${found}`,
    );
    return found === expected ? 0 : 1;
  } finally {
    await Deno.remove(path);
  }
}

if (import.meta.main) Deno.exit(await checkSegment(20_000));
