let rows = new Int32Array(0);

/** The row numbers from, from + 1, ... : a view that must not be written to. @param from First. @param count How many. */
export function identityRows(from: number, count: number): Int32Array {
  if (from + count > rows.length) {
    rows = new Int32Array(Math.max(1024, 2 * (from + count)));
    for (let i = 0; i < rows.length; i++) rows[i] = i;
  }
  return rows.subarray(from, from + count);
}
