/** One process of the verifier job, from its start to its end. */
import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import type { VerifierOptions } from "./verifier_job.ts";

const JOB = fileURLToPath(new URL("./verifier_job.ts", import.meta.url));
const MODULES = fileURLToPath(new URL("../../../node_modules", import.meta.url));

/** A process that can be ended in good order, killed and stopped. */
export class WorkerProcess {
  readonly #child: Deno.ChildProcess;
  readonly #read: Promise<unknown>;
  #text = "";
  #problems = "";
  #code: number | undefined;

  /**
   * Starts it.
   *
   * @param options The job.
   * @param directory The only one that it may write.
   */
  constructor(options: VerifierOptions, directory: string) {
    const args = [
      "run",
      "--quiet",
      "--no-check",
      `--allow-read=${MODULES},${directory},/etc/alpine-release`,
      `--allow-write=${directory}`,
      `--allow-ffi=${MODULES}`,
      "--allow-net=127.0.0.1",
      "--allow-env",
      "--allow-sys",
      JOB,
      JSON.stringify(options),
    ];
    this.#child = new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
    this.#read = Promise.all([
      each(this.#child.stdout, (text) => this.#text += text),
      each(this.#child.stderr, (text) => this.#problems += text),
      this.#child.status.then(({ code }) => this.#code = code),
    ]);
  }

  /** Whether it has joined. */
  get isStarted(): boolean {
    return this.#text.startsWith("started\n");
  }

  /** Partitions that it works on. */
  get tasks(): readonly number[] {
    const line = this.#text.slice(0, this.#text.lastIndexOf("\n")).split("\n").findLast((text) => /^tasks/.test(text));
    return line?.split(" ").slice(1).filter((text) => text !== "").map(Number) ?? [];
  }

  /** How often the partitions that it works on have changed. */
  get changes(): number {
    return this.#text.split("\n").filter((text) => text.startsWith("tasks ")).length;
  }

  /** Warnings and errors that it has logged. */
  get problems(): string {
    return this.#problems;
  }

  /** Whether it is no more. */
  get isEnded(): boolean {
    return this.#code !== undefined;
  }

  /** Nothing but the lane ends it. @throws {AssertionError} with what it logged. */
  assertRunning(): void {
    assert(this.#code === undefined, `a worker ended by itself with code ${this.#code}:\n${this.#problems}`);
  }

  /**
   * SIGSTOP and SIGCONT: silence, then it goes on as if nothing had been. SIGUSR1 and SIGUSR2: it drains, and joins again.
   */
  signal(signal: "SIGSTOP" | "SIGCONT" | "SIGUSR1" | "SIGUSR2"): void {
    this.#child.kill(signal);
  }

  /** kill -9; nothing is left running. */
  async kill(): Promise<void> {
    if (this.#code === undefined) this.#child.kill("SIGKILL");
    await this.#read;
  }

  /** Asks it to end in good order, and waits for it. @throws {AssertionError} when it does not. */
  async terminate(): Promise<void> {
    this.assertRunning();
    this.#child.kill("SIGTERM");
    await this.#read;
    assertEquals(this.#code, 0, `a worker did not close in good order:\n${this.#problems}`);
  }

  /** How it ended by itself, for who expects that. @returns Its exit code. */
  async ended(): Promise<number> {
    await this.#read;
    return this.#code!;
  }
}

async function each(stream: ReadableStream<Uint8Array<ArrayBuffer>>, take: (text: string) => void): Promise<void> {
  for await (const text of stream.pipeThrough(new TextDecoderStream())) take(text);
}
