import type { ByteReader } from "./byte_reader.ts";
import type { ByteWriter } from "./byte_writer.ts";

/** One request in one version of Kafka's protocol, and how its reply is read. */
export interface Call<T> {
  /** Number of the API. */
  readonly apiKey: number;
  /** Its version. */
  readonly version: number;
  /** Its name, for messages. */
  readonly name: string;
  /** Whether headers carry tagged fields. @default {false} */
  readonly isFlexible?: boolean;
  /** Writes the request's body. */
  write(writer: ByteWriter): void;
  /** Reads the reply's body. */
  read(reader: ByteReader): T;
}
