/** Version of the library, as in deno.json (held by a test): stands in checkpoints. */
export const VERSION = "0.1.0";
