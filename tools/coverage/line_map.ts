const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The TypeScript that a piece of JavaScript was made of. */
export interface LineMap {
  /** Line in the TypeScript, from 1, of a place in the JavaScript. */
  line(offset: number): number;
}

/** Reads one number of a source map. */
function readNumber(text: string, cursor: { at: number }): number {
  let value = 0;
  for (let shift = 0;; shift += 5) {
    const digit = DIGITS.indexOf(text[cursor.at++] ?? "");
    if (digit < 0) throw new TypeError(`Cannot read source map as it must hold numbers: current value is '${text}'`);
    value += (digit & 31) * 2 ** shift;
    if (digit < 32) break;
  }
  return value % 2 === 0 ? value / 2 : -(value - 1) / 2;
}

/** Pieces of each line of JavaScript: column, and line of the TypeScript from 0. */
function readMappings(mappings: string): [column: number, line: number][][] {
  let line = 0;
  return mappings.split(";").map((text) => {
    let column = 0;
    const pieces: [number, number][] = [];
    for (const piece of text.split(",")) {
      if (piece === "") continue;
      const cursor = { at: 0 };
      column += readNumber(piece, cursor);
      if (cursor.at === piece.length) continue;
      readNumber(piece, cursor);
      line += readNumber(piece, cursor);
      pieces.push([column, line]);
    }
    return pieces;
  });
}

/**
 * Reads the source map that Deno writes behind the JavaScript of a module.
 *
 * @param code JavaScript with an inline source map.
 * @returns The map.
 * @throws {TypeError} when there is none.
 */
export function lineMap(code: string): LineMap {
  const [, encoded] = /^\/\/# sourceMappingURL=data:application\/json;base64,(\S+)$/m.exec(code) ?? [];
  if (encoded === undefined) {
    throw new TypeError(
      `Cannot map code as its source map must be inline: current value ends with '${code.slice(-80)}'`,
    );
  }
  const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
  const { mappings } = JSON.parse(new TextDecoder().decode(bytes));
  const pieces = readMappings(mappings);
  const lineStarts = [0];
  for (let i = code.indexOf("\n"); i >= 0; i = code.indexOf("\n", i + 1)) lineStarts.push(i + 1);
  return {
    line(offset) {
      const index = lineStarts.findLastIndex((start) => start <= offset);
      const column = offset - lineStarts[index]!;
      for (let at = index; at >= 0; at--) {
        const piece = pieces[at]?.findLast(([start]) => at < index || start <= column);
        if (piece !== undefined) return piece[1] + 1;
      }
      return 1;
    },
  };
}
