import { bool, type Columns, type ColumnType, float64, list, struct, utf8 } from "../../columns/schema.ts";

/** What is known of the type of a value after some rows; immutable, so that a refused row leaves no trace. */
export type Shape =
  | { readonly kind: "unknown" | "float64" | "utf8" | "bool" }
  | { readonly kind: "list"; readonly element: Shape }
  | StructShape;

/** Known fields of objects in the order of their first appearance. */
export interface StructShape {
  /** Which shape. */
  readonly kind: "struct";
  /** Shape of each field. */
  readonly fields: ReadonlyMap<string, Shape>;
}

/** The shape before any row. */
export const NO_SHAPE: StructShape = { kind: "struct", fields: new Map() };

const UNKNOWN: Shape = { kind: "unknown" };
const NUMBER: Shape = { kind: "float64" };
const TEXT: Shape = { kind: "utf8" };
const BOOLEAN: Shape = { kind: "bool" };

/** Deeper values are refused: nothing sensible is nested like that, and recursion needs a bound. */
const DEPTH_MAX = 64;

const WORDS: Readonly<Record<Shape["kind"], string>> = {
  unknown: "null",
  float64: "a number",
  utf8: "text",
  bool: "a boolean",
  list: "an array",
  struct: "an object",
};

/** Either the widened shape, or why the value does not fit. */
export type Widened<T extends Shape = Shape> =
  | { readonly shape: T; readonly reason: null }
  | { readonly shape: null; readonly reason: string };

/**
 * Widens the shape of a topic's rows by one row.
 *
 * @param shape What earlier rows gave; it is not changed.
 * @param row A parsed JSON object.
 * @returns The shape that fits the row too (the same object when nothing is new), or why there is none.
 */
export function widenByRow(shape: StructShape, row: Readonly<Record<string, unknown>>): Widened<StructShape> {
  return widenStruct(shape, row, { path: "", depth: 0 });
}

/** Where a value stands. */
interface Place {
  readonly path: string;
  readonly depth: number;
}

function widen(shape: Shape, value: unknown, place: Place): Widened {
  if (value === null) return { shape, reason: null };
  const found = shapeOf(value);
  if (shape.kind !== "unknown" && shape.kind !== found.kind) {
    return refused(place, `is ${WORDS[found.kind]} but ${WORDS[shape.kind]} in earlier rows`);
  }
  if (place.depth > DEPTH_MAX) return refused(place, `is nested deeper than ${DEPTH_MAX} levels`);
  const known = shape.kind === "unknown" ? found : shape;
  if (known.kind === "list") return widenList(known, value as unknown[], place);
  if (known.kind === "struct") return widenStruct(known, value as Record<string, unknown>, place);
  if (known.kind === "utf8" && !(value as string).isWellFormed()) {
    return refused(place, "has a lone surrogate, which UTF-8 cannot hold");
  }
  if (known.kind === "float64" && !Number.isFinite(value)) return refused(place, "is beyond the largest double");
  return { shape: known, reason: null };
}

/** The outermost shape of a value. */
function shapeOf(value: unknown): Shape {
  switch (typeof value) {
    case "number":
      return NUMBER;
    case "string":
      return TEXT;
    case "boolean":
      return BOOLEAN;
    default:
      return Array.isArray(value) ? { kind: "list", element: UNKNOWN } : NO_SHAPE;
  }
}

function refused({ path, depth }: Place, problem: string): { shape: null; reason: string } {
  return { shape: null, reason: `${depth === 0 ? "the value" : `column '${path}'`} ${problem}` };
}

function widenList(shape: Shape & { kind: "list" }, values: readonly unknown[], place: Place): Widened {
  const inner = { path: `${place.path}[]`, depth: place.depth + 1 };
  let element = shape.element;
  for (const value of values) {
    const widened = widen(element, value, inner);
    if (widened.reason !== null) return widened;
    element = widened.shape;
  }
  return { shape: element === shape.element ? shape : { kind: "list", element }, reason: null };
}

function widenStruct(
  shape: StructShape,
  row: Readonly<Record<string, unknown>>,
  place: Place,
): Widened<StructShape> {
  let fields: Map<string, Shape> | undefined;
  for (const [name, value] of Object.entries(row)) {
    const path = place.depth === 0 ? name : `${place.path}.${name}`;
    const known = shape.fields.get(name);
    if (known === undefined && !name.isWellFormed()) {
      return refused(place, "has a name with a lone surrogate, which UTF-8 cannot hold");
    }
    const widened = widen(known ?? UNKNOWN, value, { path, depth: place.depth + 1 });
    if (widened.reason !== null) return widened;
    if (widened.shape !== known) (fields ??= new Map(shape.fields)).set(name, widened.shape);
  }
  return { shape: fields === undefined ? shape : { kind: "struct", fields }, reason: null };
}

/** The columns of a shape, all nullable; what was never more than null is utf8. */
export function columnsOfShape(shape: StructShape): Columns {
  return Object.fromEntries(Array.from(shape.fields, ([name, inner]) => [name, columnOf(inner)]));
}

function columnOf(shape: Shape): ColumnType {
  switch (shape.kind) {
    case "float64":
      return float64({ nullable: true });
    case "bool":
      return bool({ nullable: true });
    case "list":
      return list(columnOf(shape.element), { nullable: true });
    case "struct":
      return struct(columnsOfShape(shape), { nullable: true });
    default:
      return utf8({ nullable: true });
  }
}

/** Text that is equal for two shapes exactly when their columns are. */
export function shapeSignature(shape: Shape): string {
  switch (shape.kind) {
    case "list":
      return `[${shapeSignature(shape.element)}]`;
    case "struct":
      return `{${Array.from(shape.fields, ([name, inner]) => JSON.stringify(name) + shapeSignature(inner)).join()}}`;
    default:
      return shape.kind === "unknown" ? "utf8" : shape.kind;
  }
}
