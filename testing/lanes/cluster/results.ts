/** What cells and scenes came to, as tables. */
import { BrokenPromise, type Verdict } from "./scene.ts";

/** What became of one cell or scene. */
export interface Result {
  /** Its name. */
  readonly name: string;
  /** Nodes of its cluster. */
  readonly nodes: number;
  /** The job's promise. */
  readonly guarantee: string;
  /** How long it took, in seconds. */
  readonly seconds: number;
  /** What was counted, if it came to that. */
  readonly verdict: Verdict | undefined;
  /** What was wrong. */
  readonly failure: Error | undefined;
}

/** Runs something and keeps what became of it. */
export async function resultOf(
  what: Pick<Result, "name" | "nodes" | "guarantee">,
  run: () => Promise<Verdict>,
): Promise<Result> {
  const startMs = performance.now();
  const seconds = () => (performance.now() - startMs) / 1_000;
  try {
    const verdict = await run();
    return { ...what, verdict, failure: undefined, seconds: seconds() };
  } catch (error) {
    const verdict = error instanceof BrokenPromise ? error.verdict : undefined;
    return { ...what, verdict, failure: error as Error, seconds: seconds() };
  }
}

/** One line about one result. */
export function resultLine({ name, nodes, guarantee, verdict, failure, seconds }: Result): string {
  const counts = verdict === undefined ? "no counts" : `${verdict.rows} rows, ${verdict.lost} lost, ` +
    `${verdict.repeated} repeated (at most ${verdict.repeatedMax}), ${verdict.feederTroubles} troubles of the feeder`;
  return `${failure === undefined ? "ok    " : "BROKEN"} ${nodes} node${nodes === 1 ? " " : "s"}  ${
    guarantee.padEnd(13)
  }  ${name.padEnd(34)} ${counts}, ${seconds.toFixed(0)} s`;
}

const HEAD = ["nodes", "guarantee", "what", "runs", "rows", "lost", "repeated", "at most", "broken", "seconds"];

/** A table with one line for each kind of cell or scene, in the order in which they came first. */
export function resultTable(results: readonly Result[]): string {
  const kinds = new Map<string, Result[]>();
  for (const result of results) {
    const key = `${result.nodes} ${result.guarantee} ${result.name}`;
    kinds.set(key, [...kinds.get(key) ?? [], result]);
  }
  const lines = [...kinds.values()].map((all) => {
    const sum = (of: (verdict: Verdict) => number) =>
      all.reduce((total, { verdict }) => total + (verdict === undefined ? 0 : of(verdict)), 0);
    const { nodes, guarantee, name } = all[0]!;
    const counts = [sum(({ rows }) => rows), sum(({ lost }) => lost), sum(({ repeated }) => repeated)];
    const broken = all.filter(({ failure }) => failure !== undefined).length;
    const seconds = Math.round(all.reduce((total, one) => total + one.seconds, 0));
    return [nodes, guarantee, name, all.length, ...counts, sum((one) => one.repeatedMax), broken, seconds].map(String);
  });
  const widths = HEAD.map((head, at) => Math.max(head.length, ...lines.map((line) => line[at]!.length)));
  const isText = (at: number) => at === 1 || at === 2;
  return [HEAD, ...lines].map((line) =>
    line.map((cell, at) => isText(at) ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)).join("  ").trimEnd()
  ).join("\n");
}
