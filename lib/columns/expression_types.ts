import type { Bool, Columns, ColumnType, Float64, Int32, Int64, Numeric, SHAPE, TimestampMs, Utf8 } from "./schema.ts";

/** Whether a column's type admits nulls. */
export type NullableOf<C extends ColumnType> = C extends ColumnType<string, unknown, unknown, infer N> ? N : never;
/** `true` when either side admits nulls. */
export type EitherNullable<A extends boolean, B extends boolean> = true extends A | B ? true : false;
/** The same type with another nullability. */
export type WithNullable<C extends ColumnType, N extends boolean> = C extends
  ColumnType<infer Kind, infer Value, infer Values, boolean> ? ColumnType<Kind, Value, Values, N> : never;

/**
 * A value for each row of a batch, computed from its columns. Expressions are made from the columns that a callback is
 * given (`(c) => c.temperature.greaterThan(30)`) and from {@linkcode lit}; they are immutable and print themselves.
 *
 * Nulls follow SQL: an operation on a null gives null, `and` and `or` use three-valued logic, a filter keeps only rows
 * where the condition is true.
 *
 * Where an operation can fail on a row (integers beyond ±(2^53 - 1), conversions), it fails only where its value counts:
 * not under a null, not behind an `and`, `or` or `ifNull` whose left side already decides.
 */
export interface Expression<out C extends ColumnType = ColumnType> {
  /** Never present at run time. @ignore */
  readonly [SHAPE]?: C;
  /** True where the value is null; never null itself. */
  isNull(): BoolExpression<false>;
  /** True where the value is not null; never null itself. */
  isNotNull(): BoolExpression<false>;
  /** The expression as text, for example `(temperature > 30)`. */
  toString(): string;
}

/** An expression whose values are true, false or null. */
export interface BoolExpression<N extends boolean = boolean> extends Expression<Bool<N>> {
  /** True where both are true, false where either is false, else null. */
  and<M extends boolean = false>(other: boolean | Expression<Bool<M>>): BoolExpression<EitherNullable<N, M>>;
  /** True where either is true, false where both are false, else null. */
  or<M extends boolean = false>(other: boolean | Expression<Bool<M>>): BoolExpression<EitherNullable<N, M>>;
  /** True where false and the reverse; null stays null. */
  not(): BoolExpression<N>;
  /** Whether both are true or both are false. */
  equals<M extends boolean = false>(other: boolean | Expression<Bool<M>>): BoolExpression<EitherNullable<N, M>>;
  /** Whether one is true and the other false. */
  notEquals<M extends boolean = false>(other: boolean | Expression<Bool<M>>): BoolExpression<EitherNullable<N, M>>;
  /** The value, or `other` where it is null. */
  ifNull<M extends boolean = false>(other: boolean | Expression<Bool<M>>): BoolExpression<M>;
}

/**
 * An expression whose values are numbers: float64, int32, int64 or timestampMs.
 *
 * **Comparisons** are exact for every mix of types, also for 64-bit integers beyond 2^53. NaN is neither equal to, less
 * nor greater than anything (`notEquals` is true); -0 equals 0.
 *
 * **Arithmetic** is done in doubles and gives float64. Integers (int32, int64, timestampMs and literals without a
 * fraction) stay exact or fail: a 64-bit operand, or the sum, difference, product or remainder of integers, outside of
 * ±(2^53 - 1) throws a RangeError that names the row. Division never fails: `x / 0` is an infinity or NaN as in IEEE
 * 754, and `x % 0` is NaN.
 */
export interface NumberExpression<C extends ColumnType = ColumnType> extends Expression<C> {
  /** Whether the numbers are equal. */
  equals<D extends ColumnType = Float64>(other: NumberOperand<D>): Comparison<C, D>;
  /** Whether the numbers differ; true for NaN. */
  notEquals<D extends ColumnType = Float64>(other: NumberOperand<D>): Comparison<C, D>;
  /** Whether the value is less than `other`. */
  lessThan<D extends ColumnType = Float64>(other: NumberOperand<D>): Comparison<C, D>;
  /** Whether the value is less than or equal to `other`. */
  lessThanOrEqual<D extends ColumnType = Float64>(other: NumberOperand<D>): Comparison<C, D>;
  /** Whether the value is greater than `other`. */
  greaterThan<D extends ColumnType = Float64>(other: NumberOperand<D>): Comparison<C, D>;
  /** Whether the value is greater than or equal to `other`. */
  greaterThanOrEqual<D extends ColumnType = Float64>(other: NumberOperand<D>): Comparison<C, D>;
  /** Whether `low <= value <= high`: both bounds belong to the range. */
  between<D extends ColumnType = Float64, E extends ColumnType = Float64>(
    low: NumberOperand<D>,
    high: NumberOperand<E>,
  ): BoolExpression<EitherNullable<NullableOf<C>, EitherNullable<NullableOf<D>, NullableOf<E>>>>;
  /** Whether the value equals one of `values`; false for an empty list. */
  isIn(values: readonly (number | bigint)[]): BoolExpression<NullableOf<C>>;
  /** The value, or `other` where it is null; `other` has the same type. */
  ifNull<M extends boolean = false>(
    other: number | bigint | Expression<ColumnType<C["kind"], unknown, unknown, M>>,
  ): NumberExpression<WithNullable<C, M>>;
  /** The sum. */
  plus<D extends ColumnType = Float64>(other: NumberOperand<D>): Arithmetic<C, D>;
  /** The difference. */
  minus<D extends ColumnType = Float64>(other: NumberOperand<D>): Arithmetic<C, D>;
  /** The product. */
  times<D extends ColumnType = Float64>(other: NumberOperand<D>): Arithmetic<C, D>;
  /** The quotient with its fraction. */
  dividedBy<D extends ColumnType = Float64>(other: NumberOperand<D>): Arithmetic<C, D>;
  /** The remainder, with the sign of the value (as `%` in JavaScript and SQL). */
  modulo<D extends ColumnType = Float64>(other: NumberOperand<D>): Arithmetic<C, D>;
  /** The value with the other sign. */
  negate(): NumberExpression<Float64<NullableOf<C>>>;
  /** The value without its sign. */
  abs(): NumberExpression<Float64<NullableOf<C>>>;
  /** The nearest number with `digits` decimals, halves away from zero. @param digits 0 to 15. @default {0} */
  round(digits?: number): NumberExpression<Float64<NullableOf<C>>>;
  /** The value as float64. Fails on a row whose integer is outside of ±(2^53 - 1). */
  toFloat64(): NumberExpression<Float64<NullableOf<C>>>;
  /** The value as int32. Fails on a row that has a fraction or is out of range. */
  toInt32(): NumberExpression<Int32<NullableOf<C>>>;
  /** The value as int64. Fails on a row that has a fraction or is out of range. */
  toInt64(): NumberExpression<Int64<NullableOf<C>>>;
  /** The value, in epoch milliseconds, as timestampMs. Fails on a row that has a fraction or is beyond ±(2^53 - 1). */
  toTimestampMs(): NumberExpression<TimestampMs<NullableOf<C>>>;
}

/** What a number is compared or computed with. */
export type NumberOperand<D extends ColumnType> = number | bigint | Expression<D & Numeric>;
/** The result of comparing C with D. */
export type Comparison<C extends ColumnType, D extends ColumnType> = BoolExpression<
  EitherNullable<NullableOf<C>, NullableOf<D>>
>;
/** The result of computing with C and D. */
export type Arithmetic<C extends ColumnType, D extends ColumnType> = NumberExpression<
  Float64<EitherNullable<NullableOf<C>, NullableOf<D>>>
>;

/** An expression whose values are text. Order is that of code points (of UTF-8 bytes), not of any language. */
export interface StringExpression<N extends boolean = boolean> extends Expression<Utf8<N>> {
  /** Whether the texts are equal, code point by code point. */
  equals<M extends boolean = false>(other: string | Expression<Utf8<M>>): BoolExpression<EitherNullable<N, M>>;
  /** Whether the texts differ. */
  notEquals<M extends boolean = false>(other: string | Expression<Utf8<M>>): BoolExpression<EitherNullable<N, M>>;
  /** Whether the text comes before `other`. */
  lessThan<M extends boolean = false>(other: string | Expression<Utf8<M>>): BoolExpression<EitherNullable<N, M>>;
  /** Whether the text comes before `other` or equals it. */
  lessThanOrEqual<M extends boolean = false>(other: string | Expression<Utf8<M>>): BoolExpression<EitherNullable<N, M>>;
  /** Whether the text comes after `other`. */
  greaterThan<M extends boolean = false>(other: string | Expression<Utf8<M>>): BoolExpression<EitherNullable<N, M>>;
  /** Whether the text comes after `other` or equals it. */
  greaterThanOrEqual<M extends boolean = false>(
    other: string | Expression<Utf8<M>>,
  ): BoolExpression<EitherNullable<N, M>>;
  /** Whether `low <= value <= high`: both bounds belong to the range. */
  between<M extends boolean = false, O extends boolean = false>(
    low: string | Expression<Utf8<M>>,
    high: string | Expression<Utf8<O>>,
  ): BoolExpression<EitherNullable<N, EitherNullable<M, O>>>;
  /** Whether the text is one of `values`; false for an empty list. */
  isIn(values: readonly string[]): BoolExpression<N>;
  /** The text, or `other` where it is null. */
  ifNull<M extends boolean = false>(other: string | Expression<Utf8<M>>): StringExpression<M>;
}

/** The expression of a column of type C. */
export type ExpressionOf<C extends ColumnType> = C extends Numeric ? NumberExpression<C>
  : C extends Utf8<infer N> ? StringExpression<N>
  : C extends Bool<infer N> ? BoolExpression<N>
  : Expression<C>;
/** The columns of a schema as expressions: what callbacks are given. */
export type ColumnsAsExpressions<S extends Columns> = { readonly [K in keyof S]: ExpressionOf<S[K]> };
/** Expressions by name. */
export type Expressions = { readonly [name: string]: Expression };
/** The columns that expressions give. */
export type ExpressionsOf<E> = { [K in keyof E]: E[K] extends Expression<infer C> ? C : never };
