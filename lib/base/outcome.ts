/** What became of an effect on the outside: a lost reply is neither success nor failure. */
export type Outcome<T> =
  | { readonly kind: "applied"; readonly value: T }
  | { readonly kind: "not-applied"; readonly error: Error }
  | { readonly kind: "unknown"; readonly error: Error };

/** The effect happened and its reply arrived. */
export function applied(): Outcome<void>;
/** The effect happened and its reply arrived with a value. */
export function applied<T>(value: T): Outcome<T>;
export function applied<T>(value?: T): Outcome<T> {
  return { kind: "applied", value: value as T };
}

/** The effect is known not to have happened. */
export function notApplied(error: Error): Outcome<never> {
  return { kind: "not-applied", error };
}

/** The effect may or may not have happened, or may still happen later. */
export function unknown(error: Error): Outcome<never> {
  return { kind: "unknown", error };
}
