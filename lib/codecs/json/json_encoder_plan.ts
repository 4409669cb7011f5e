import { type DataType, type Field, type Schema, Type } from "apache-arrow";
import type { Columns, ColumnType } from "../../columns/schema.ts";
import { NUMBER_BYTES_MAX } from "./format_number.ts";

/** How the values of an Arrow type are written: which loop reads them. */
export type ValueKind =
  | "null"
  | "bool"
  | "int"
  | "uint32"
  | "int64"
  | "uint64"
  | "timestampMs"
  | "float64"
  | "utf8"
  | "dictionary"
  | "binary"
  | "list"
  | "struct";

/** How one column (or inner column) is written. */
export interface ValuePlan {
  /** Number of the node in pre-order; bound Arrow data stands in an array under this number. */
  readonly id: number;
  /** Where the column stands, for reasons: `a`, `a.b` in a struct, `a[]` in a list. */
  readonly path: string;
  /** How values are read and written. */
  readonly kind: ValueKind;
  /** Whether a null is written as `null`; otherwise a null refuses the row. */
  readonly isNullable: boolean;
  /** Inner columns of a struct (in the order they are written), or the one element of a list. */
  readonly inner: readonly FieldPlan[];
}

/** A value with its place in the parent. */
export interface FieldPlan {
  /** Name in the object; empty for list elements. */
  readonly name: string;
  /** Index among the children of the parent's Arrow data. */
  readonly source: number;
  /** How its values are written. */
  readonly value: ValuePlan;
}

/** How the rows of a batch are written. */
export interface RowPlan {
  /** The written columns. */
  readonly fields: readonly FieldPlan[];
  /** Number of nodes. */
  readonly nodeCount: number;
  /** Bytes to reserve for everything of fixed size: at least what is written between two reservations. */
  readonly fixedBytes: number;
  /** By node: why a row with a null is refused. */
  readonly nullReasons: readonly string[];
  /** By node: why a row with a value that JSON cannot hold is refused. */
  readonly valueReasons: readonly string[];
}

/** Kinds of Arrow data that a declared column takes. */
const ACCEPTED: Readonly<Record<string, readonly ValueKind[]>> = {
  utf8: ["utf8", "dictionary"],
  binary: ["binary"],
  float64: ["float64"],
  int64: ["int64"],
  int32: ["int"],
  timestampMs: ["timestampMs"],
  bool: ["bool"],
  list: ["list"],
  struct: ["struct"],
};

// deno-lint-ignore no-explicit-any
type AnyType = DataType & { [property: string]: any };

/** How values of an Arrow type are written, or `undefined` when JSON encoding does not know the type. */
export function valueKind(type: DataType): ValueKind | undefined {
  const { typeId, precision, bitWidth, isSigned, unit, dictionary, indices } = type as AnyType;
  switch (typeId as Type) {
    case Type.Null:
      return "null";
    case Type.Bool:
      return "bool";
    case Type.Utf8:
      return "utf8";
    case Type.Binary:
      return "binary";
    case Type.List:
      return "list";
    case Type.Struct:
      return "struct";
    case Type.Float: // single or double precision
      return precision === 0 ? undefined : "float64";
    case Type.Timestamp:
      return unit === 1 ? "timestampMs" : undefined;
    case Type.Dictionary:
      return dictionary.typeId === Type.Utf8 && indices.bitWidth < 64 ? "dictionary" : undefined;
    case Type.Int:
      if (bitWidth === 64) return isSigned ? "int64" : "uint64";
      return bitWidth === 32 && !isSigned ? "uint32" : "int";
    default:
      return undefined;
  }
}

/** Number of bytes of JSON between quotes, after escapes. */
function keyLength(name: string): number {
  return new TextEncoder().encode(JSON.stringify(name)).length;
}

class Planner {
  readonly nullReasons: string[] = [];
  readonly valueReasons: string[] = [];
  fixedBytes = 2;

  fields(fields: readonly Field[], declared: Columns | undefined, parent: string): FieldPlan[] {
    if (declared === undefined) {
      return fields.map((field, source) => this.field(field.name, { source, field, declared: undefined, parent }));
    }
    const plans: FieldPlan[] = [];
    for (const [name, type] of Object.entries(declared)) {
      if (type.isRecordKey === true) continue;
      const source = fields.findIndex((field) => field.name === name);
      if (source < 0) {
        const found = fields.map((field) => field.name).join(", ");
        throw new TypeError(`Cannot encode batch as it lacks column '${parent}${name}': its columns are ${found}`);
      }
      plans.push(this.field(name, { source, field: fields[source]!, declared: type, parent }));
    }
    return plans;
  }

  private field(
    name: string,
    at: { source: number; field: Field; declared: ColumnType | undefined; parent: string },
  ): FieldPlan {
    this.fixedBytes += keyLength(name) + 2;
    return { name, source: at.source, value: this.value(`${at.parent}${name}`, at.field.type, at.declared) };
  }

  private value(path: string, type: DataType, declared: ColumnType | undefined): ValuePlan {
    const kind = valueKind(type);
    if (kind === undefined) {
      throw new TypeError(`Cannot encode column '${path}' as JSON has no form for its Arrow type: it is ${type}`);
    }
    if (declared !== undefined && !ACCEPTED[declared.kind]?.includes(kind)) {
      throw new TypeError(`Cannot encode column '${path}' as ${declared.kind}: its Arrow type is ${type}`);
    }
    const id = this.nullReasons.length;
    this.nullReasons.push(`column '${path}' is null but not nullable`);
    this.valueReasons.push(
      kind === "float64"
        ? `column '${path}' is NaN or infinite, which JSON cannot hold`
        : `column '${path}' is not valid UTF-8`,
    );
    this.fixedBytes += NUMBER_BYTES_MAX + 2;
    const children = type.children as Field[] | undefined ?? [];
    let inner: FieldPlan[] = [];
    if (kind === "struct") inner = this.fields(children, declared?.columns, `${path}.`);
    if (kind === "list") {
      inner = [{ name: "", source: 0, value: this.value(`${path}[]`, children[0]!.type, declared?.element) }];
    }
    return { id, path, kind, isNullable: declared === undefined || declared.nullable, inner };
  }
}

/**
 * Decides how the rows of batches of an Arrow schema are written.
 *
 * @param schema Arrow schema of the batches.
 * @param declared Columns to write, in order, and which may be null; without them all columns of the batch are written
 * and all may be null.
 * @returns The plan.
 * @throws {TypeError} when a declared column is missing or of another type, or a type has no form in JSON.
 */
export function planRows(schema: Schema, declared: Columns | undefined): RowPlan {
  const planner = new Planner();
  const fields = planner.fields(schema.fields, declared, "");
  const { nullReasons, valueReasons, fixedBytes } = planner;
  return { fields, nodeCount: nullReasons.length, fixedBytes, nullReasons, valueReasons };
}

/** Text that is equal for two Arrow schemas exactly when the same plan fits both. */
export function schemaSignature(schema: Schema): string {
  return JSON.stringify(schema.fields.map(fieldSignature));
}

function fieldSignature(field: Field): unknown {
  const children = field.type.children as Field[] | undefined ?? [];
  return [field.name, valueKind(field.type) ?? `${field.type}`, children.map(fieldSignature)];
}
