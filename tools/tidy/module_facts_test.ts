import { assert, assertEquals } from "@std/assert";
import { moduleFacts } from "./module_facts.ts";

const uses = (facts: readonly { what: string; line: number }[]) => facts.map(({ what, line }) => `${line} ${what}`);

Deno.test("moduleFacts() finds every kind of import, with its line", () => {
  const { imports } = moduleFacts(
    "lib/x/y.ts",
    `// import "./comment.ts"
const text = 'import "./string.ts" é😀';
import type { A } from "./type.ts";
import { b } from "./value.ts";
import "./effect.ts";
export * from "./star.ts";
export type { C } from "./re.ts";
const d = await import("./dynamic.ts");
const e = import(text);
type F = import("./in_type.ts").F;
new Worker(new URL("./worker.ts", import.meta.url));
import.meta.resolve("./resolve.ts");
new URL("./no_import.ts", text);
export const g = 1;
`,
  );
  assertEquals(imports.map(({ specifier, line, kind }) => `${line} ${specifier} ${kind}`), [
    "3 ./type.ts static",
    "4 ./value.ts static",
    "5 ./effect.ts static",
    "6 ./star.ts static",
    "7 ./re.ts static",
    "8 ./dynamic.ts dynamic",
    "9 (computed) dynamic",
    "10 ./in_type.ts static",
    "11 ./worker.ts url",
    "12 ./resolve.ts url",
  ]);
});

Deno.test("moduleFacts() finds uses of banned globals and nothing that only has their name", () => {
  const bad = moduleFacts(
    "a.ts",
    `const a = Date.now();
const b = new Date(), c = Date();
Math.random(); Math["random"]();
performance.now(); crypto.subtle; fetch("x"); console.log(1);
const t = { fetch, console };
const { env } = Deno;
let timer: Deno.Listener;
setTimeout(() => {}, 1); globalThis["fetch"]; new WeakRef({}); AbortSignal.timeout(1); process.exit();
`,
  );
  assertEquals(uses(bad.globalUses), [
    "1 Date.now",
    "2 new Date()",
    "2 Date()",
    "3 Math.random",
    "3 Math.random",
    "4 performance",
    "4 crypto",
    "4 fetch",
    "4 console",
    "5 fetch",
    "5 console",
    "6 Deno",
    "7 Deno",
    "8 setTimeout",
    "8 globalThis",
    "8 WeakRef",
    "8 AbortSignal.timeout",
    "8 process",
  ]);
  const good = moduleFacts(
    "a.ts",
    `// Date.now() and fetch()
const a = "Deno.exit()", b = \`console.log \${1}\`;
const c = new Date(5), d = Math.floor(1.5), e = { fetch: 1, console() {}, Deno: { now: 1 } };
class F { fetch(): void {} crypto = 1; get process() { return this.crypto; } }
interface G { fetch: typeof fetch; performance(): void }
e.fetch; new F().process; a.length; x.Date.parse(""); clock.Math;
`,
  );
  assertEquals(uses(good.globalUses), []);
});

Deno.test("moduleFacts() finds whatever waits or promises", () => {
  const { asyncUses } = moduleFacts(
    "a.ts",
    `async function a() { await b; }
const c = async () => {};
class D { async e() {} }
function f(g: Promise<void>): PromiseLike<void> { return Promise.resolve(); }
for await (const h of i) {}
const text = "await Promise"; const j = { await: 1, async: 2 };
`,
  );
  assertEquals(uses(asyncUses), [
    "1 async function",
    "1 await",
    "2 async function",
    "3 async function",
    "4 Promise",
    "4 PromiseLike",
    "4 Promise",
    "5 for await",
  ]);
});

Deno.test("moduleFacts() finds tests that are focused or ignored, however written", () => {
  const { focusedTests } = moduleFacts(
    "a_test.ts",
    `Deno.test.only("a", () => {});
Deno.test.ignore("b", () => {});
Deno.test("c", { ignore: true }, () => {});
Deno.test({ name: "d", only: true, fn() {} });
Deno.test("e", async (t) => { await t.step({ name: "f", ignore: x, fn() {} }); });
Deno.test("Deno.test.only", () => { const ignore = 1; f({ ignore, only: 2 }); });
`,
  );
  assertEquals(uses(focusedTests), [
    "1 Deno.test.only",
    "2 Deno.test.ignore",
    "3 Deno.test({ ignore })",
    "4 Deno.test({ only })",
    "5 t.step({ ignore })",
  ]);
});

Deno.test("moduleFacts() measures functions, methods and closures by their lines", () => {
  const { functions, lineCount } = moduleFacts(
    "a.ts",
    `function a() {
  return 1;
}
const b = (x: number) =>
  x;
class C {
  d() {}
  abstract e(): void;
}
declare function f(): void;
`,
  );
  assertEquals(functions, [
    { name: "a", line: 1, lineCount: 3 },
    { name: "b", line: 4, lineCount: 2 },
    { name: "d", line: 7, lineCount: 1 },
  ]);
  assertEquals(lineCount, 10);
});

Deno.test("moduleFacts() tells code from types and re-exports, and programs from modules", () => {
  const hasCode = (text: string) => moduleFacts("a.ts", text).hasCode;
  assertEquals(
    hasCode('import type { A } from "./a.ts"; export type B = A; export interface C {} export * from "./d.ts";'),
    false,
  );
  assertEquals(hasCode('export { a } from "./a.ts"; export declare const b: unique symbol;'), false);
  for (const text of ["const a = 1;", "export function f() {}", "export default 1;", "export class A {}", "f();"]) {
    assert(hasCode(text), text);
  }
  assert(moduleFacts("a.ts", "if (import.meta.main) run();").isProgram);
  assertEquals(moduleFacts("a.ts", "const a = '// import.meta.main';").isProgram, false);
});

Deno.test("moduleFacts() of a file that does not parse says so", () => {
  assert(moduleFacts("a.ts", "const = ;").syntaxError !== null);
  assertEquals(moduleFacts("a.ts", "const a = 1;").syntaxError, null);
});
