import type { ValueCodec } from "../base/value_codec.ts";
import { DeserializationError, SerializationError } from "../base/errors.ts";

export type { ValueCodec };

/** Deeper values are refused: recursion needs a bound. */
const DEPTH_MAX = 500;

/**
 * State values as JSON, the default. What JSON would drop or change in silence is refused instead: undefined, functions,
 * symbols, bigint, NaN, infinities, lone surrogates, cycles, and objects that are no plain objects (a Map, a typed
 * array, a class); only what says itself how it is written (`toJSON()`, for example a Date) is taken as that.
 * -0 comes back as 0.
 *
 * @returns The codec.
 */
export function jsonValues(): ValueCodec {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  return Object.freeze({
    name: "json",
    encode(value: unknown): Uint8Array {
      return encoder.encode(JSON.stringify(checked(value, "value", [])));
    },
    decode(bytes: Uint8Array): unknown {
      try {
        return JSON.parse(decoder.decode(bytes));
      } catch (cause) {
        throw new DeserializationError(
          `Cannot decode state value as JSON: its ${bytes.length} bytes are not JSON text; check which state codec wrote it`,
          { cause },
        );
      }
    },
  });
}

/** The value as JSON.stringify is to see it, or an error that names what it cannot hold. */
function checked(value: unknown, path: string, parents: object[]): unknown {
  switch (typeof value) {
    case "boolean":
      return value;
    case "number":
      if (!Number.isFinite(value)) throw refused(path, `${value}`);
      return value;
    case "string":
      if (!value.isWellFormed()) throw refused(path, "text with a lone surrogate");
      return value;
    case "object":
      return value === null ? null : checkedObject(value, path, parents);
    default:
      throw refused(path, value === undefined ? "undefined" : `a ${typeof value}`);
  }
}

function checkedObject(value: object, path: string, parents: object[]): unknown {
  if (parents.includes(value)) throw refused(path, "a cycle");
  if (parents.length >= DEPTH_MAX) throw refused(path, `nested deeper than ${DEPTH_MAX} levels`);
  if ("toJSON" in value && typeof value.toJSON === "function") {
    return checked(value.toJSON(), path, [...parents, value]);
  }
  parents.push(value);
  let result: unknown;
  if (Array.isArray(value)) {
    result = Array.from(value, (element, i) => checked(element, `${path}[${i}]`, parents));
  } else {
    const prototype = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      throw refused(path, `an object of class ${prototype.constructor?.name}`);
    }
    result = Object.fromEntries(
      Object.entries(value).map(([name, inner]) => {
        if (!name.isWellFormed()) throw refused(path, "a name with a lone surrogate");
        return [name, checked(inner, `${path}.${name}`, parents)];
      }),
    );
  }
  parents.pop();
  return result;
}

function refused(path: string, found: string): SerializationError {
  return new SerializationError(
    `Cannot encode state value as JSON as '${path}' is ${found}: convert it first, or use another state codec`,
    { context: { path } },
  );
}
