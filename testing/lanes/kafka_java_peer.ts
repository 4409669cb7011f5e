import { toHex } from "../../lib/base/hex.ts";
import { decodeHeaders, type HeaderEntry } from "../../lib/columns/headers.ts";
import type { RecordSlab } from "../../lib/columns/records.ts";
import { spanBytes } from "../../lib/columns/spans.ts";

/** A record with all that it may have. */
export interface PeerRow {
  /** Epoch milliseconds. */
  timestampMs: number;
  /** Key, or `null`. */
  key: Uint8Array | null;
  /** Value; `null` is a tombstone. */
  value: Uint8Array | null;
  /** Headers in order. */
  headers: readonly HeaderEntry[];
}

/** Where `deno task services up kafka` puts the Java client. */
function libraries(): string {
  const home = Deno.env.get("TURBINE_PARTS_HOME") ?? `${Deno.env.get("HOME") ?? "/tmp"}/.cache/turbine-parts`;
  return `${home}/kafka-4.1.2/libs`;
}

const SOURCE = new URL("./kafka_codec_peer.java", import.meta.url).pathname;

const encoder = new TextEncoder();
const text = (bytes: Uint8Array | null) => bytes === null ? "-" : `x${toHex(bytes)}`;

/** A row as the peer writes and reads it: equal rows are equal lines. */
export function lineOf({ timestampMs, key, value, headers }: PeerRow): string {
  const entries = headers.map(([name, bytes]) => `${text(encoder.encode(name))}:${text(bytes)}`);
  return `${timestampMs} ${text(key)} ${text(value)} ${entries.length === 0 ? "." : entries.join()}`;
}

/** Records of a slab as the peer tells them: partition, offset and the row. */
export function linesOf({ partition, records, offsets }: RecordSlab): string[] {
  const { keys, values, headers, timestamps, count } = records;
  return Array.from({ length: count }, (_, row) => {
    const headerBytes = headers === null ? null : spanBytes(headers, row);
    const line = lineOf({
      timestampMs: timestamps![row]!,
      key: keys === null ? null : spanBytes(keys, row),
      value: spanBytes(values, row),
      headers: headerBytes === null ? [] : decodeHeaders(headerBytes),
    });
    return `${partition} ${offsets[row]} ${line}`;
  });
}

/** The Java client of Kafka in a process of its own. */
export class JavaPeer {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #rest = "";

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#writer = child.stdin.getWriter();
    this.#reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Starts it; its JVM is as small and quick to start as can be. */
  static start(address: string): JavaPeer {
    const child = new Deno.Command("java", {
      args: ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", `${libraries()}/*`, SOURCE, address],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    return new JavaPeer(child);
  }

  /** Why it cannot be started, or `null` when it can. */
  static async whyNot(): Promise<string | null> {
    try {
      await Deno.stat(libraries());
      const { success } = await new Deno.Command("java", { args: ["-version"], stdout: "null", stderr: "null" })
        .output();
      return success ? null : "java does not run";
    } catch (error) {
      return `the Java client is not installed (${(error as Error).message})`;
    }
  }

  /**
   * Runs one command.
   *
   * @param command The command.
   * @param rows Lines that belong to it.
   * @returns The lines that answer it.
   * @throws {Error} when it failed.
   */
  async run(command: string, rows: readonly string[] = []): Promise<string[]> {
    await this.#writer.write(encoder.encode([command, ...rows, ""].join("\n")));
    const lines: string[] = [];
    for (;;) {
      const line = await this.#line();
      if (line === "ok") return lines;
      if (line.startsWith("failed ")) throw new Error(`${command}: ${line}`);
      lines.push(line);
    }
  }

  /** Ends the process, at once. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf("\n");
      if (end >= 0) {
        const line = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 1);
        return line;
      }
      const { done, value } = await this.#reader.read();
      if (done) throw new Error("The Java client ended; run it by hand to see why");
      this.#rest += value;
    }
  }
}
