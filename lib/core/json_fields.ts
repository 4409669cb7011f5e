import { fromHex } from "../base/hex.ts";

/** A value of a JSON document is not what its reader expects there. */
export class JsonFieldError extends Error {
  /** Always `"JsonFieldError"`. */
  override readonly name = "JsonFieldError";
}

type Fields = Readonly<Record<string, unknown>>;

/** Reads the fields of one JSON object strictly; each failure names the field's path. Fields not asked for are ignored. */
export class JsonFields {
  readonly #fields: Fields;
  readonly #path: string;

  /**
   * @param value What stands in the document.
   * @param path Where, for messages; empty for the whole document.
   * @throws {JsonFieldError} when it is not an object.
   */
  constructor(value: unknown, path = "") {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw mismatch(path, "an object", value);
    this.#fields = value as Fields;
    this.#path = path;
  }

  /** Text that is not empty. @throws {JsonFieldError} when it is not. */
  text(name: string): string {
    const value = this.#value(name);
    if (typeof value !== "string" || value === "") throw this.#mismatch(name, "text that is not empty");
    return value;
  }

  /** Text of a form. @throws {JsonFieldError} when it is not of that form. */
  match(name: string, pattern: RegExp, what: string): string {
    const value = this.#value(name);
    if (typeof value !== "string" || !pattern.test(value)) throw this.#mismatch(name, what);
    return value;
  }

  /** An integer in [min, max]. @throws {JsonFieldError} when it is not. */
  integer(name: string, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.#value(name);
    if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
    throw this.#mismatch(name, `an integer in [${min}, ${max}]`);
  }

  /** A finite number or null. @throws {JsonFieldError} when it is neither. */
  numberOrNull(name: string): number | null {
    const value = this.#value(name);
    if (value !== null && !Number.isFinite(value)) throw this.#mismatch(name, "a number or null");
    return value as number | null;
  }

  /** A 64-bit integer >= 0 as decimal text in its one shortest form. @throws {JsonFieldError} when it is not. */
  offset(name: string): bigint {
    const text = this.match(name, /^(?:0|[1-9]\d{0,18})$/, "an offset as decimal text");
    const value = BigInt(text);
    if (value > 0x7fff_ffff_ffff_ffffn) throw this.#mismatch(name, "an offset below 2^63");
    return value;
  }

  /** Bytes as hexadecimal digits. @throws {JsonFieldError} when they are not. */
  hex(name: string): Uint8Array {
    const value = this.#value(name);
    const bytes = typeof value === "string" ? fromHex(value) : undefined;
    if (bytes === undefined) throw this.#mismatch(name, "lower-case hexadecimal digits");
    return bytes;
  }

  /** An object. @throws {JsonFieldError} when it is not. */
  object(name: string): JsonFields {
    return new JsonFields(this.#value(name), this.#at(name));
  }

  /** A list of objects. @throws {JsonFieldError} when it is not. */
  objects(name: string): JsonFields[] {
    const value = this.#value(name);
    if (!Array.isArray(value)) throw this.#mismatch(name, "a list");
    return value.map((element, index) => new JsonFields(element, `${this.#at(name)}[${index}]`));
  }

  /** Whether a field is null. */
  isNull(name: string): boolean {
    return this.#value(name) === null;
  }

  #value(name: string): unknown {
    return Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined;
  }

  #at(name: string): string {
    return this.#path === "" ? name : `${this.#path}.${name}`;
  }

  #mismatch(name: string, expected: string): JsonFieldError {
    return mismatch(this.#at(name), expected, this.#value(name));
  }
}

function mismatch(path: string, expected: string, found: unknown): JsonFieldError {
  const shown = (JSON.stringify(found) ?? "nothing").slice(0, 80);
  return new JsonFieldError(`'${path === "" ? "document" : path}' must be ${expected}: found ${shown}`);
}
