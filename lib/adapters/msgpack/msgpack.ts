import { decode as unpack, encode as pack } from "@msgpack/msgpack";
import { DeserializationError, SerializationError } from "../../base/errors.ts";
import type { ValueCodec } from "../../base/value_codec.ts";

const INT64_MIN = -(2n ** 63n);
const UINT64_MAX = 2n ** 64n - 1n;
/** Deeper values are refused, and with them cycles. */
const DEPTH_MAX = 100;

/**
 * State values as MessagePack: smaller than JSON, and it also holds bytes (Uint8Array), dates, bigint of 64 bits, NaN and
 * infinities. What it would change in silence is refused: undefined, functions, symbols, lone surrogates, objects of
 * classes, other typed arrays. -0 comes back as 0.
 *
 * @returns The codec, for the `stateCodec` option.
 *
 * @example Bytes and big integers in state
 * ```ts
 * import { msgpack } from "@turbine/turbine/msgpack";
 * import { assertEquals } from "@std/assert";
 *
 * const codec = msgpack();
 * const value = { seen: 12n, raw: Uint8Array.of(1, 2) };
 * assertEquals(codec.decode(codec.encode(value)), value);
 * ```
 */
export function msgpack(): ValueCodec {
  return Object.freeze({
    name: "msgpack",
    encode(value: unknown): Uint8Array {
      check(value, "value", 0);
      return pack(value, { useBigInt64: true, maxDepth: DEPTH_MAX + 1 });
    },
    decode(bytes: Uint8Array): unknown {
      try {
        return unpack(bytes, { useBigInt64: true });
      } catch (cause) {
        throw new DeserializationError(
          `Cannot decode state value as MessagePack: its ${bytes.length} bytes are not of that format; check which state codec wrote it`,
          { cause },
        );
      }
    },
  });
}

/** Throws when the value would not come back as it is. */
function check(value: unknown, path: string, depth: number): void {
  switch (typeof value) {
    case "number":
    case "boolean":
      return;
    case "bigint":
      if (value < INT64_MIN || value > UINT64_MAX) throw refused(path, "a bigint of more than 64 bits");
      return;
    case "string":
      if (!value.isWellFormed()) throw refused(path, "text with a lone surrogate");
      return;
    case "object":
      if (value !== null) checkObject(value, path, depth);
      return;
    default:
      throw refused(path, value === undefined ? "undefined" : `a ${typeof value}`);
  }
}

function checkObject(value: object, path: string, depth: number): void {
  if (depth >= DEPTH_MAX) throw refused(path, `nested deeper than ${DEPTH_MAX} levels, or a cycle`);
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) check(value[i], `${path}[${i}]`, depth + 1);
    return;
  }
  if (value instanceof Uint8Array) return;
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw refused(path, "an invalid date");
    return;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw refused(path, `an object of class ${prototype.constructor?.name}`);
  }
  for (const [name, inner] of Object.entries(value)) {
    if (name === "__proto__" || !name.isWellFormed()) {
      throw refused(path, "an object with a name that cannot be read back (__proto__, or a lone surrogate)");
    }
    check(inner, `${path}.${name}`, depth + 1);
  }
}

function refused(path: string, found: string): SerializationError {
  return new SerializationError(`Cannot encode state value as MessagePack as '${path}' is ${found}: convert it first`, {
    context: { path },
  });
}
