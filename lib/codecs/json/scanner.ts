import type { JsonColumn } from "./json_column.ts";
import { StructColumn } from "./nested_columns.ts";
import { POWERS_OF_TEN } from "./powers_of_ten.ts";
import {
  columnName,
  emitDeclare,
  emitMatch,
  emitRefresh,
  emitResume,
  emitRoom,
  emitValue,
  isInlineText,
} from "./scanner_emit.ts";
import { isSameBytes, type Layout, type LayoutStep } from "./scanner_layout.ts";
import { skipValue } from "./skip_value.ts";
import { findBadUtf8 } from "./utf8_text.ts";

/** What a scanner works on, and where it stands. */
export interface ScanRun {
  /** The buffer. */
  readonly bytes: Uint8Array;
  /** The same bytes. */
  readonly view: DataView;
  /** First byte of each row; negative where there is nothing to scan. */
  readonly starts: Int32Array;
  /** One past the last byte of each row. */
  readonly ends: Int32Array;
  /** Next row to read. */
  row: number;
  /** One past the last row to read. */
  readonly to: number;
  /** Next row to write. */
  out: number;
  /** Rows that end behind this byte are not scanned: a scanner reads a little past their end. */
  readonly limit: number;
  /** Set when there is a better scanner than the one at work. */
  isStale: boolean;
  /** Reads a row that the scanner does not know into row `out`; whether it was accepted. */
  readonly parse: (row: number, out: number) => boolean;
  /** Rows that each layout has taken. */
  readonly hits: Float64Array;
}

/** Reads rows until the run ends or is stale, and leaves `row` and `out` behind the last one. */
export type Scanner = (run: ScanRun) => void;

interface Edge {
  readonly literal: Uint8Array;
  readonly step: LayoutStep | null;
  readonly next: Node;
  /** At the end of a layout: its number and what it lacks. */
  readonly layout: number;
  readonly missing: readonly JsonColumn[];
}

/** A point behind a value: what may follow. */
type Node = Edge[];

/** A prefix tree of the layouts: what they share is matched once. */
function treeOf(layouts: readonly Layout[]): Node {
  const root: Node = [];
  layouts.forEach((layout, index) => {
    let node = root;
    for (const step of layout.steps) {
      let edge = node.find((other) => other.step?.column === step.column && isSameBytes(other.literal, step.literal));
      if (edge === undefined) {
        edge = { literal: step.literal, step, next: [], layout: -1, missing: [] };
        node.push(edge);
      }
      node = edge.next;
    }
    node.push({ literal: layout.tail, step: null, next: [], layout: index, missing: layout.missing });
  });
  return root;
}

/**
 * Compiles a scanner of some layouts.
 *
 * @param root The row's column.
 * @param layouts What to recognise.
 * @returns The scanner.
 * @throws {EvalError} when generated code is forbidden here.
 */
export function compileScanner(root: StructColumn, layouts: readonly Layout[]): Scanner {
  const columns: JsonColumn[] = [];
  collect(root, columns);
  const source = new ScannerSource(columns).emit(treeOf(layouts));
  // Only numbers ever get into the source: positions, lengths and the bytes of literals.
  const create = new Function("columns", "POWERS_OF_TEN", "badUtf8", "skip", source);
  return create(columns, POWERS_OF_TEN, findBadUtf8, skipValue) as Scanner;
}

function collect(struct: StructColumn, into: JsonColumn[]): void {
  for (const column of struct.columns) {
    into.push(column);
    if (column instanceof StructColumn) collect(column, into);
  }
}

class ScannerSource {
  readonly #ids = new Map<JsonColumn, number>();
  readonly #used = new Set<number>();

  constructor(readonly columns: readonly JsonColumn[]) {
    columns.forEach((column, id) => this.#ids.set(column, id));
  }

  emit(tree: Node): string {
    const body = this.#node(tree);
    const used = [...this.#used].sort((a, b) => a - b);
    const texts = used.filter((id) => isInlineText(this.columns[id]!));
    const each = (ids: readonly number[], emit: (id: number) => string) => ids.map(emit).join("");
    return `"use strict";
${each(used, (id) => `const ${columnName(id)}=columns[${id}];\n`)}
return function scan(run){
const b=run.bytes,v=run.view,starts=run.starts,ends=run.ends,to=run.to,limit=run.limit,parse=run.parse,hits=run.hits;
let o=run.out,r=run.row,c=0;
${each(used, (id) => emitDeclare(this.columns[id]!, id))}
while(r<to){
let p=starts[r];const end=ends[r];
fast:{if(p<0||end>limit)break fast;
${each(texts, emitRoom)}${body}}
if(parse(r,o))o++;
r++;${each(texts, emitRefresh)}
if(run.isStale)break;
}
run.row=r;run.out=o;
}`;
  }

  #id(column: JsonColumn): number {
    const id = this.#ids.get(column)!;
    this.#used.add(id);
    return id;
  }

  /** A struct that its own parser has read: other layouts may scan its text in place and must go on behind it. */
  #resume(column: JsonColumn): string {
    if (!(column instanceof StructColumn)) return "";
    const inner: JsonColumn[] = [];
    collect(column, inner);
    return inner.filter(isInlineText).map((text) => emitResume(this.#id(text))).join("");
  }

  #node(node: Node): string {
    // The longest literal first: one may be the beginning of another.
    const edges = [...node].sort((a, b) => b.literal.length - a.literal.length);
    if (edges.length === 1) {
      const edge = edges[0]!;
      return `if(!(${emitMatch(edge.literal, edge.step === null)}))break fast;\n${this.#follow(edge)}`;
    }
    const branches = edges.map((edge) => `if(${emitMatch(edge.literal, edge.step === null)}){${this.#follow(edge)}}\n`);
    return `${branches.join("else ")}else break fast;\n`;
  }

  #follow(edge: Edge): string {
    const { step } = edge;
    if (step === null) {
      const missing = edge.missing.map((column) => `${columnName(this.#id(column))}.setNull(o);`).join("");
      return `${missing}hits[${edge.layout}]++;o++;r++;continue;\n`;
    }
    const advance = `p+=${edge.literal.length};`;
    const value = step.column === null
      ? `p=skip(b,p,end,${step.levels});if(p<0)break fast;\n`
      : emitValue(step.column, this.#id(step.column)) + this.#resume(step.column);
    return advance + value + this.#node(edge.next);
  }
}
