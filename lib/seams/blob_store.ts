/** Result of {@linkcode BlobStore.create}. */
export type CreateResult =
  | { readonly isCreated: true }
  /** The name was taken; `existing` is what is there, unchanged. */
  | { readonly isCreated: false; readonly existing: Uint8Array };

/** One listed object. */
export interface BlobEntry {
  /** Full name, `/`-separated. */
  readonly name: string;
  /** Size in bytes. */
  readonly size: number;
}

/**
 * Durable objects by name. Needed of an implementation: read-after-write for single objects, put-if-absent that is
 * atomic among all writers, and a list that shows every object whose write was acknowledged before the list began.
 * Names are `/`-separated, of `[A-Za-z0-9._=-]` segments; no name is a prefix folder of another object's name.
 */
export interface BlobStore {
  /** Where this store is, for messages (`file:/var/lib/...`). */
  readonly location: string;
  /**
   * Reads an object.
   *
   * @param name Full name.
   * @returns The bytes, or `undefined` when there is no such object.
   * @throws {BlobError} when the store cannot be used.
   */
  get(name: string): Promise<Uint8Array | undefined>;
  /**
   * Writes an object only if its name is free; durable when it resolves.
   *
   * @param name Full name.
   * @param bytes Content.
   * @returns Whether it was created, or what was there.
   * @throws {BlobError} when the store cannot be used.
   */
  create(name: string, bytes: Uint8Array): Promise<CreateResult>;
  /**
   * Lists objects whose name starts with `prefix`, sorted by name.
   *
   * @param prefix Start of the names.
   */
  list(prefix: string): Promise<readonly BlobEntry[]>;
  /**
   * Deletes an object; deleting what is not there is no error.
   *
   * @param name Full name.
   */
  delete(name: string): Promise<void>;
  /** Releases what the store holds. */
  close(): Promise<void>;
}
