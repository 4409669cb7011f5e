import { assert, fail } from "@std/assert";
import { join } from "node:path";
import { SeededRandom } from "../../testing/seeded_random.ts";
import { CodeCounter } from "./code_counter.ts";
import { RangeCounts } from "./range_counts.ts";

/**
 * Programs that count for themselves: each arm begins with `n[i]++`, so that the truth is known. They leave out what V8
 * does not tell truly: what comes behind a call that throws, and a `for (let ...)` whose body has closures.
 */
class ProgramWriter {
  /** Counter of the way past a decision: how often it was reached less how often it was entered. */
  readonly ways = new Map<number, [reached: number, entered: number]>();
  private next = 0;
  private depth = 0;

  constructor(private readonly random: SeededRandom) {}

  program(functions: number): string {
    const texts = Array.from({ length: functions }, (_, i) => {
      const isAsync = this.random.isHit(0.3);
      const text = `export ${isAsync ? "async " : ""}function f${i}() {${this.block(4, false, isAsync)}}`;
      return text;
    });
    return `
      export const n: number[] = Array(${this.next}).fill(0);
      let state = 7;
      function r(p: number): boolean {
        state = Math.imul(state, 1103515245) + 12345 & 0x7fffffff;
        return (state >> 8) % 100 < p;
      }
      function t(p: number): boolean { if (r(p)) throw new Error("x"); return true; }
      ${texts.join("\n")}`;
  }

  private counter(): number {
    return this.next++;
  }

  private pick<T>(items: readonly T[]): T {
    return items[this.random.integer(0, items.length - 1)]!;
  }

  private chance(): string {
    return `r(${this.pick([0, 20, 50, 80, 100])})`;
  }

  private block(statements: number, isLoop: boolean, isAsync: boolean): string {
    this.depth++;
    const texts = Array.from({ length: this.random.integer(1, statements) }, () => this.statement(isLoop, isAsync));
    this.depth--;
    return texts.join("\n");
  }

  private arm(isLoop: boolean, isAsync: boolean): string {
    return `{ n[${this.counter()}]++; ${this.block(3, isLoop, isAsync)} }`;
  }

  private statement(isLoop: boolean, isAsync: boolean): string {
    const kinds = ["plain", "value", "leave"];
    if (this.depth < 3) kinds.push("if", "if", "ifElse", "switch", "loop", "try", "leaveIf", "await");
    switch (this.pick(kinds)) {
      case "if": {
        const reached = this.counter();
        this.ways.set(reached, [reached, this.next]);
        const test = `(n[${reached}]++, ${this.chance()})`;
        return `if (${test}) ${this.arm(isLoop, isAsync)}`;
      }
      case "leaveIf": {
        const reached = this.counter();
        const entered = this.counter();
        this.ways.set(reached, [reached, entered]);
        return `if ((n[${reached}]++, ${this.chance()})) ${isLoop ? "{" : "return"} n[${entered}]++; ${
          isLoop ? "continue; }" : ""
        }`;
      }
      case "ifElse":
        return `if (${this.value(2)}) ${this.arm(isLoop, isAsync)} else ${this.arm(isLoop, isAsync)}`;
      case "switch": {
        const arms = ["case 0:", "case 1:", "case 2:", "default:"].map((label) =>
          `${label} n[${this.counter()}]++; ${this.block(2, isLoop, isAsync)} break;`
        );
        return `switch (r(${this.pick([0, 50])}) ? 0 : r(${this.pick([0, 50])}) ? 1 : 5) { ${arms.join("\n")} }`;
      }
      case "loop":
        return this.pick([
          `for (const x of [1, 2, 3]) ${this.arm(true, isAsync)}`,
          `for (const [x] of [[1], [2]]) ${this.arm(true, isAsync)}`,
          `while (${this.pick(["r(0)", "r(50)"])}) ${this.arm(true, isAsync)}`,
        ]);
      case "try":
        return `try { ${this.block(2, isLoop, isAsync)} t(${this.pick([0, 30, 100])}); } catch ${
          this.arm(isLoop, isAsync)
        }${this.random.isHit(0.3) ? " finally { n.length; }" : ""}`;
      case "leave":
        return this.random.isHit(0.15) ? (isLoop ? this.pick(["break;", "continue;"]) : "return;") : "n.length;";
      case "await":
        return isAsync ? this.pick(["await null;", `if (await ${this.chance()}) n.length;`]) : "n.length;";
      case "value":
        return this.pick([`const v${this.counter()} = ${this.value(3)};`, `${this.value(3)};`]);
      default:
        return "n.length;";
    }
  }

  private value(depth: number): string {
    if (depth === 0) return this.chance();
    const counted = () => `(n[${this.counter()}]++, ${this.value(depth - 1)})`;
    switch (this.random.integer(0, 6)) {
      case 0:
        return `(${this.value(depth - 1)} ? ${counted()} : ${counted()})`;
      case 1:
      case 2: {
        const operator = this.pick(["&&", "||"]);
        const operands = Array.from({ length: this.random.integer(2, 4) }, (_, i) => {
          const counter = this.counter();
          if (i > 0) this.ways.set(counter, [this.lastOperand, counter]);
          this.lastOperand = counter;
          return `(n[${counter}]++, ${this.chance()})`;
        });
        return `(${operands.join(` ${operator} `)})`;
      }
      case 3: {
        const reached = this.counter();
        const entered = this.counter();
        this.ways.set(entered, [reached, entered]);
        return `((n[${reached}]++, ${this.chance()} ? null : true) ?? (n[${entered}]++, ${this.chance()}))`;
      }
      case 4: {
        const reached = this.counter();
        const entered = this.counter();
        this.ways.set(entered, [reached, entered]);
        return `((n[${reached}]++, ${this.chance()} ? null : [true])?.at((n[${entered}]++, 0)) === true)`;
      }
      case 5:
        return `(() => ${counted()})()`;
      default:
        return this.chance();
    }
  }

  private lastOperand = 0;
}

async function run(folder: string, args: string[]): Promise<void> {
  const command = new Deno.Command(Deno.execPath(), {
    args,
    cwd: folder,
    env: { DENO_DIR: join(folder, "cache"), DENO_COVERAGE_DIR: "" },
    stdout: "piped",
    stderr: "piped",
  });
  const { success, stderr } = await command.output();
  assert(success, new TextDecoder().decode(stderr));
}

/** What is measured at each point, and what is true there. */
function compare(code: string, counter: CodeCounter, writer: ProgramWriter, truth: readonly number[]): number {
  const wrong: string[] = [];
  let compared = 0;
  for (const [i, { kind, offset, what }] of counter.points.entries()) {
    if (kind !== "branch") continue;
    const text = code.slice(offset, offset + 200);
    const [, index] = /^(?:[({\s]|if|case \d:|default:|\?\.at)*n\[(\d+)\]\+\+/.exec(text) ?? [];
    if (index === undefined) continue;
    const isWayPast = /short cut|is null/.test(what) || (what === "if: else" && text.startsWith("if"));
    const way = writer.ways.get(Number(index));
    if (isWayPast && way === undefined) continue;
    const expected = isWayPast ? truth[way![0]]! - truth[way![1]]! : truth[Number(index)]!;
    if (counter.sums[i] !== expected) wrong.push(`${what}: ${counter.sums[i]} instead of ${expected} at ${offset}`);
    compared++;
  }
  if (wrong.length > 0) {
    fail(`${wrong.length} of ${compared} are wrong\n${wrong.slice(0, 20).join("\n")}`);
  }
  return compared;
}

Deno.test("CodeCounter counts as programs count for themselves", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const writer = new ProgramWriter(new SeededRandom(20_261));
    await Deno.writeTextFile(join(folder, "program.ts"), writer.program(300));
    await Deno.writeTextFile(
      join(folder, "main.ts"),
      `import * as program from "./program.ts";
       for (let round = 0; round < 9; round++) {
         for (const [name, call] of Object.entries(program)) if (/^f\\d/.test(name) && !/[37]$/.test(name)) await call();
       }
       Deno.writeTextFileSync("truth.json", JSON.stringify(program.n));`,
    );
    await run(folder, ["run", "--no-check", "--allow-write", "--coverage=profiles", "main.ts"]);
    const truth: number[] = JSON.parse(await Deno.readTextFile(join(folder, "truth.json")));
    const code = await Deno.readTextFile(join(folder, "cache/gen/file", folder, "program.ts.js"));
    const counter = new CodeCounter(code);
    for await (const { name } of Deno.readDir(join(folder, "profiles"))) {
      const profile = JSON.parse(await Deno.readTextFile(join(folder, "profiles", name)));
      if (profile.url.endsWith("/program.ts")) counter.add(new RangeCounts(profile));
    }
    const compared = compare(code, counter, writer, truth);
    assert(compared > 1_000, `only ${compared} branches were compared`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
