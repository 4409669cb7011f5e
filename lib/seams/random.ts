/** Randomness, as the library sees it. Seeded in tests and in the simulator. */
export interface Random {
  /** The next 32 random bits as an integer in [0, 2^32). */
  uint32(): number;
}

/** A random identifier of 16 hexadecimal digits, for instance and owner names. */
export function randomId(random: Random): string {
  const hex = (value: number) => value.toString(16).padStart(8, "0");
  return hex(random.uint32()) + hex(random.uint32());
}
