import type { Field, Schema } from "apache-arrow";
import type { ArrowData } from "./column_data.ts";
import {
  type Batch,
  binary,
  bool,
  type Columns,
  type ColumnType,
  float64,
  int32,
  int64,
  list,
  struct,
  timestampMs,
  utf8,
} from "./schema.ts";

const CACHE_MAX = 256;
const cache = new Map<string, Columns>();

/**
 * The columns of a batch, read from its Arrow schema; the same object for schemas that are alike.
 *
 * @param batch A batch.
 * @returns Names and types in order.
 * @throws {TypeError} when a column has a type that columns cannot have.
 */
export function columnsOf<S extends Columns>(batch: Batch<S>): S {
  return columnsOfSchema(batch.schema) as S;
}

/** {@linkcode columnsOf} of an Arrow schema. */
export function columnsOfSchema(schema: Schema): Columns {
  const { fields } = schema;
  let key = "";
  for (const field of fields) key += signature(field);
  let columns = cache.get(key);
  if (columns === undefined) {
    columns = Object.freeze(Object.fromEntries(fields.map((field) => [field.name, typeOf(field)])));
    if (cache.size >= CACHE_MAX) cache.clear();
    cache.set(key, columns);
  }
  return columns;
}

/** Text that is equal for fields that give equal columns, and only for them. */
function signature(field: Field): string {
  const type = field.type as ArrowData["type"];
  let text = `${field.name.length}:${field.name}${field.nullable ? "?" : "!"}${type.typeId}`;
  text += `,${type.bitWidth},${type.isSigned},${type.precision},${type.unit}`;
  if (type.children) { for (const child of type.children as Field[]) text += `(${signature(child)})`; }
  return text;
}

function typeOf(field: Field): ColumnType {
  const type = columnTypeOf(field.name, field.type, field.nullable);
  if (type === undefined) {
    throw new TypeError(
      `Cannot read column '${field.name}' as no column has its Arrow type: current value is ${field.type}`,
    );
  }
  return type;
}

/** The column type that an Arrow type is, exactly; `undefined` when there is none. */
export function columnTypeOf(name: string, type: ArrowData["type"], nullable: boolean): ColumnType | undefined {
  const make = (of: (options: { nullable: true }) => ColumnType): ColumnType => of({ nullable: nullable as true });
  switch (type.typeId) {
    case 2:
      if (!type.isSigned) return undefined;
      return type.bitWidth === 32 ? make(int32) : type.bitWidth === 64 ? make(int64) : undefined;
    case 3:
      return type.precision === 2 ? make(float64) : undefined;
    case 4:
      return make(binary);
    case 5:
      return make(utf8);
    case 6:
      return make(bool);
    case 10:
      return type.unit === 1 ? make(timestampMs) : undefined;
    case 12:
      return make((options) => list(typeOf(named(`${name}[]`, type.children[0])), options));
    case 13: {
      const fields = type.children as Field[];
      return make((options) =>
        struct(Object.fromEntries(fields.map((f) => [f.name, typeOf(named(`${name}.${f.name}`, f))])), options)
      );
    }
    default:
      return undefined;
  }
}

/** The field under the name that error messages use for it. */
function named(name: string, field: Field): Field {
  return { name, type: field.type, nullable: field.nullable } as Field;
}
