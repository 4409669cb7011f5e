/**
 * Apache Arrow for JavaScript exactly as the library uses it, for programs that want to make or read batches with the
 * same classes.
 *
 * @module
 */
export * from "apache-arrow";
