import { assertEquals } from "@std/assert";
import plugin from "./lint_plugin.ts";

/** `rule: message` of each report. */
function lint(filename: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, filename, source).map(({ id, message }) => `${id.split("/")[1]}: ${message}`);
}

Deno.test("error-message wants a capital letter, no final period, and a message at all", () => {
  const bad = [
    ['throw new TypeError("cannot do this");', "error-message: An error message begins with a capital letter"],
    ['throw new RangeError("Cannot do this.");', "error-message: An error message ends without a period"],
    ["throw new TypeError(`Cannot do ${x}. `);", "error-message: An error message ends without a period"],
    ['throw new TypeError("Cannot " + "do this.");', "error-message: An error message ends without a period"],
    ["const e = new FencedError(`lost ${x}`);", "error-message: An error message begins with a capital letter"],
    ['throw new StreamError("Fenced", "lost it");', "error-message: An error message begins with a capital letter"],
    ['throw new TypeError("");', "error-message: An error needs a message"],
    ["throw new TypeError(` `);", "error-message: An error needs a message"],
    ["throw new TypeError();", "error-message: An error needs a message"],
  ] as const;
  for (const [source, message] of bad) assertEquals(lint("lib/a/b.ts", source), [message], source);
  assertEquals(lint("lib/a/b.ts", 'throw new TypeError("cannot do this.");').length, 2);
});

Deno.test("error-message accepts messages of the house and what it cannot see", () => {
  const good = [
    "throw new TypeError(`Cannot create policy as 'ms' must be an integer >= 0: current value is ${ms}`);",
    "throw new TypeError(`${problem} must be a number`);",
    "throw new TypeError(`Cannot open ${path}.${name}`);",
    'throw new StreamError("Fenced", "Lost the partition");',
    'throw new InvariantError("I-03: the store must not lead");',
    "throw new TypeError(message);",
    "throw new SomeError(code, { cause });",
    "throw error;",
    'new Map("x.");',
    "throw new TypeError(\"'x' is no column\");",
  ];
  for (const source of good) assertEquals(lint("lib/a/b.ts", source), [], source);
  assertEquals(lint("lib/a/b_test.ts", 'throw new TypeError("boom.");'), []);
});

Deno.test("no-console refuses the console in lib, but for adapters and tests", () => {
  const source = "console.error(1);";
  assertEquals(lint("/repo/lib/runtime/a.ts", source), [
    "no-console: lib does not write to the console: tell the observer",
  ]);
  for (const filename of ["lib/adapters/system/a.ts", "lib/runtime/a_test.ts", "tools/a.ts", "examples/a.ts"]) {
    assertEquals(lint(filename, source), [], filename);
  }
  assertEquals(lint("lib/runtime/a.ts", 'view.console.log("x"); const text = "console.log";'), []);
});

Deno.test("required-arguments wants options after two required arguments of what users call", () => {
  const message = "required-arguments: f takes 3 required arguments: at most 2, then one options object";
  for (const filename of ["lib/app/a.ts", "lib/operators/a.ts", "/repo/testing/a.ts"]) {
    assertEquals(lint(filename, "export function f(a: number, b: number, c: number): void {}"), [message], filename);
  }
  assertEquals(lint("lib/app/a.ts", "export function f(a: A, b: B, c: C): void; export function f(): void {}"), [
    message,
  ]);
  const good = [
    "export function f(a: number, b: number, options: Options = {}): void {}",
    "export function f(a: number, b: number, options?: Options): void {}",
    "export function f(a: number, b: number, ...rest: number[]): void {}",
    "function f(a: number, b: number, c: number): void {}",
    "export function f(a: A, b: B, c: C): void; export function f(...all: A[]): void {}",
  ];
  for (const source of good) assertEquals(lint("lib/app/a.ts", source), [], source);
  assertEquals(lint("lib/columns/a.ts", "export function f(a: A, b: B, c: C): void {}"), []);
});
