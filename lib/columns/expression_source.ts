import type { IsInNode } from "./expression_node.ts";

/** What the loop writes. */
export type KernelOutput = "select" | "number" | "int32" | "int64" | "bool" | "string";

/** A constant that a kernel takes as an argument. */
export type KernelConstant = { readonly kind: "literal"; readonly value: number | bigint | boolean } | {
  readonly kind: "set";
  readonly node: IsInNode;
};

/** A kernel's source and what to pass to it. */
export interface KernelSource {
  /** Body of a function of (I columns, K constants, Y text buffers, n rows, O output, X library). */
  readonly source: string;
  /** Names of the columns in the order of `I`. */
  readonly columns: readonly string[];
  /** Constants in the order of `K`. */
  readonly constants: readonly KernelConstant[];
  /** Text buffers in the order of `Y`: a column by number in `I`, or a constant text. */
  readonly buffers: readonly (number | string)[];
  /** How the nodes print that a failure may name. */
  readonly texts: readonly string[];
}
