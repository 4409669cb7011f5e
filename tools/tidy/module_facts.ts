/** What the rules need to know of one file, read from its syntax tree: comments and text in strings never count. */
export interface ModuleFacts {
  /** Path from the repository's root, `/`-separated. */
  readonly path: string;
  /** Number of lines. */
  readonly lineCount: number;
  /** Everything that makes the file depend on another one. */
  readonly imports: readonly ImportFact[];
  /** Functions and methods with their length. */
  readonly functions: readonly FunctionFact[];
  /** `async`, `await`, `for await` and names of promise types. */
  readonly asyncUses: readonly UseFact[];
  /** Uses of globals that read a clock, randomness, the network, the process or the console. */
  readonly globalUses: readonly UseFact[];
  /** `Deno.test.only`, `Deno.test.ignore` and the options of those names. */
  readonly focusedTests: readonly UseFact[];
  /** Whether it looks at `import.meta.main`: then it can be started. */
  readonly isProgram: boolean;
  /** Whether it has code of its own: neither types nor re-exports only. */
  readonly hasCode: boolean;
  /** Why the file could not be read, if it could not. */
  readonly syntaxError: string | null;
}

/** One dependency. */
export interface ImportFact {
  /** As written. */
  readonly specifier: string;
  /** Line, from 1. */
  readonly line: number;
  /** `url` is `new URL("./x.ts", import.meta.url)`, the way to name a worker's module. */
  readonly kind: "static" | "dynamic" | "url";
}

/** One function. */
export interface FunctionFact {
  /** Its name as far as the syntax gives one. */
  readonly name: string;
  /** First line, from 1. */
  readonly line: number;
  /** Number of lines, with signature and braces. */
  readonly lineCount: number;
}

/** One use of something. */
export interface UseFact {
  /** What is used, as messages name it. */
  readonly what: string;
  /** Line, from 1. */
  readonly line: number;
}

/** Globals that must not be reached for outside adapters. */
const BANNED_GLOBALS = new Set([
  "performance",
  "crypto",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "clearTimeout",
  "clearInterval",
  "fetch",
  "Deno",
  "console",
  "WeakRef",
  "FinalizationRegistry",
  "process",
  "globalThis",
  "XMLHttpRequest",
  "WebSocket",
  "EventSource",
  "Temporal",
]);
/** Members of harmless globals that must not be used. */
const BANNED_MEMBERS = new Set(["Date.now", "Math.random", "AbortSignal.timeout"]);
/** Types and globals that say that something happens later. */
const ASYNC_NAMES = new Set([
  "Promise",
  "PromiseLike",
  "AsyncIterable",
  "AsyncIterator",
  "AsyncGenerator",
  "AsyncIterableIterator",
]);

// deno-lint-ignore no-explicit-any
type AnyNode = any;

/** Collects facts while the tree is visited. */
class FactCollector {
  readonly imports: ImportFact[] = [];
  readonly functions: FunctionFact[] = [];
  readonly asyncUses = new Map<string, UseFact>();
  readonly globalUses = new Map<string, UseFact>();
  readonly focusedTests = new Map<string, UseFact>();
  isProgram = false;
  hasCode = false;
  private readonly lineStarts = [0];

  constructor(text: string) {
    for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) this.lineStarts.push(i + 1);
  }

  visitor(): Deno.lint.LintVisitor {
    const onImport = (node: AnyNode) => this.addImport(node.source, node, "static");
    const onFunction = (node: AnyNode) => this.addFunction(node);
    return {
      Program: (node: AnyNode) => this.hasCode = node.body.some(isCode),
      ImportDeclaration: onImport,
      ExportAllDeclaration: onImport,
      ExportNamedDeclaration: onImport,
      TSImportType: (node: AnyNode) => this.addImport(node.argument?.literal ?? node.argument, node, "static"),
      ImportExpression: (node: AnyNode) => this.addImport(node.source, node, "dynamic"),
      FunctionDeclaration: onFunction,
      FunctionExpression: onFunction,
      ArrowFunctionExpression: onFunction,
      AwaitExpression: (node: AnyNode) => this.use(this.asyncUses, "await", node),
      ForOfStatement: (node: AnyNode) => {
        if (node.await) this.use(this.asyncUses, "for await", node);
      },
      Identifier: (node: AnyNode) => this.addName(node),
      MemberExpression: (node: AnyNode) => this.addMember(node),
      NewExpression: (node: AnyNode) => this.addNew(node),
      CallExpression: (node: AnyNode) => this.addCall(node),
    };
  }

  private line(offset: number): number {
    let low = 0;
    let high = this.lineStarts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.lineStarts[middle]! <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  }

  /** A shorthand property is visited twice, as key and as value: it counts once. */
  private use(facts: Map<string, UseFact>, what: string, node: AnyNode): void {
    facts.set(`${node.range[0]} ${what}`, { what, line: this.line(node.range[0]) });
  }

  private addImport(source: AnyNode, node: AnyNode, kind: ImportFact["kind"]): void {
    if (source === null || source === undefined) return;
    const line = this.line(node.range[0]);
    const specifier = typeof source.value === "string" ? source.value : "(computed)";
    this.imports.push({ specifier, line, kind });
  }

  private addFunction(node: AnyNode): void {
    if (node.async) this.use(this.asyncUses, "async function", node);
    if (node.body === null || node.body === undefined) return;
    const { parent } = node;
    const name = node.id?.name ?? parent?.key?.name ?? parent?.key?.value ?? parent?.id?.name ?? "(anonymous)";
    const line = this.line(node.range[0]);
    this.functions.push({ name: String(name), line, lineCount: this.line(node.range[1] - 1) - line + 1 });
  }

  private addName(node: AnyNode): void {
    if (!isReference(node)) return;
    if (ASYNC_NAMES.has(node.name)) this.use(this.asyncUses, node.name, node);
    if (BANNED_GLOBALS.has(node.name)) this.use(this.globalUses, node.name, node);
  }

  private addMember(node: AnyNode): void {
    const name = memberName(node);
    if (name === "import.meta.main") this.isProgram = true;
    if (BANNED_MEMBERS.has(name)) this.use(this.globalUses, name, node);
    if (/^Deno\.test\.(only|ignore)$/.test(name)) this.use(this.focusedTests, name, node);
  }

  private addNew(node: AnyNode): void {
    const [first, second] = node.arguments;
    if (node.callee.name === "Date" && first === undefined) this.use(this.globalUses, "new Date()", node);
    if (node.callee.name !== "URL" || second === undefined || memberName(second) !== "import.meta.url") return;
    this.addImport(first, node, "url");
  }

  private addCall(node: AnyNode): void {
    if (node.callee.name === "Date") this.use(this.globalUses, "Date()", node);
    const name = memberName(node.callee);
    if (name === "import.meta.resolve") this.addImport(node.arguments[0], node, "url");
    if (!/^Deno\.test(\.|$)|\.step$/.test(name)) return;
    for (const argument of node.arguments) {
      if (argument.type !== "ObjectExpression") continue;
      for (const property of argument.properties) {
        const key = property.key?.name ?? property.key?.value;
        if (key === "only" || key === "ignore") this.use(this.focusedTests, `${name}({ ${key} })`, property);
      }
    }
  }
}

/** `a.b.c` for members of plain names, else whatever part of it is plain. */
function memberName(node: AnyNode): string {
  if (node.type === "Identifier") return node.name;
  if (node.type === "MetaProperty") return "import.meta";
  if (node.type !== "MemberExpression") return "";
  const property = node.computed
    ? (typeof node.property.value === "string" ? node.property.value : "[]")
    : node.property.name;
  return `${memberName(node.object)}.${property}`;
}

/** Whether an identifier names a value or type, and not a member, a key or something imported. */
function isReference(node: AnyNode): boolean {
  const { parent } = node;
  const isPart = (part: AnyNode) => part?.range[0] === node.range[0] && part.range[1] === node.range[1];
  switch (parent?.type) {
    case "MemberExpression":
      return parent.computed || !isPart(parent.property);
    case "Property":
      return parent.computed || parent.shorthand || !isPart(parent.key);
    case "MethodDefinition":
    case "PropertyDefinition":
    case "AccessorProperty":
    case "TSPropertySignature":
    case "TSMethodSignature":
    case "TSAbstractMethodDefinition":
    case "TSAbstractPropertyDefinition":
    case "TSEnumMember":
      return parent.computed || !isPart(parent.key ?? parent.id);
    case "TSQualifiedName":
      return !isPart(parent.right);
    case "ImportSpecifier":
    case "ExportSpecifier":
    case "ImportAttribute":
    case "MetaProperty":
    case "LabeledStatement":
    case "BreakStatement":
    case "ContinueStatement":
    case "TSTypeQuery": // the type of a global is no use of it
      return false;
    default:
      return true;
  }
}

/** Whether a statement of a module is code: neither an import, a type nor a re-export. */
function isCode(statement: AnyNode): boolean {
  switch (statement.type) {
    case "ImportDeclaration":
    case "ExportAllDeclaration":
    case "TSInterfaceDeclaration":
    case "TSTypeAliasDeclaration":
    case "TSDeclareFunction":
      return false;
    case "ExportNamedDeclaration":
      return statement.declaration !== null && statement.declaration !== undefined && isCode(statement.declaration);
    default:
      return statement.declare !== true;
  }
}

/**
 * Reads the facts of a file. Works under `deno test` only, where the syntax tree can be had.
 *
 * @param path Path from the repository's root.
 * @param text The file's text.
 * @returns The facts; a file that does not parse has a `syntaxError` and nothing else.
 */
export function moduleFacts(path: string, text: string): ModuleFacts {
  const collector = new FactCollector(text);
  let syntaxError: string | null = null;
  try {
    const rules = { facts: { create: () => collector.visitor() } };
    Deno.lint.runPlugin({ name: "tidy", rules }, path, text);
  } catch (error) {
    syntaxError = String((error as Error).message).split("\n")[0]!;
  }
  const { imports, functions, isProgram, hasCode } = collector;
  const lineCount = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  return {
    path,
    lineCount,
    imports,
    functions,
    asyncUses: inOrder(collector.asyncUses),
    globalUses: inOrder(collector.globalUses),
    focusedTests: inOrder(collector.focusedTests),
    isProgram,
    hasCode,
    syntaxError,
  };
}

/** Uses in the order of the text; nodes are visited in another one. */
function inOrder(facts: ReadonlyMap<string, UseFact>): UseFact[] {
  return [...facts].sort(([a], [b]) => parseInt(a) - parseInt(b)).map(([, fact]) => fact);
}
