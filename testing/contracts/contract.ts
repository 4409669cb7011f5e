/** One rule of a seam, as a test that any implementation must pass. */
export interface ContractCase {
  /** The rule. */
  readonly name: string;
  /** Rejects when the implementation breaks it. */
  run(): Promise<void>;
}

/** What a test runner offers: `Deno.test`, or `test` of `node:test`. */
export type RegisterTest = (name: string, run: () => Promise<void>) => void;

/**
 * Registers each case of a contract as a test.
 *
 * @param title Name of the implementation, put before each rule.
 * @param cases The contract.
 * @param register Takes one test. @default {Deno.test}
 */
export function registerContract(
  title: string,
  cases: readonly ContractCase[],
  register: RegisterTest = (name, run) => Deno.test(name, run),
): void {
  for (const { name, run } of cases) register(`${title}: ${name}`, run);
}
