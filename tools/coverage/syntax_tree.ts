/** A node of JavaScript's syntax tree, as ESTree names things. */
export interface SyntaxNode {
  /** ESTree's name of the construct. */
  readonly type: string;
  /** First code unit. */
  readonly start: number;
  /** One past the last code unit. */
  readonly end: number;
  /** What it is made of, in the order of the text; `null` for a part that is left out. */
  readonly parts: Readonly<Record<string, SyntaxNode | readonly (SyntaxNode | null)[] | null>>;
  /** Operator, or the name of an identifier. */
  readonly word: string;
}

/** The parts of each construct that can hold code. A construct that is not listed is an error, so that none is missed. */
const PARTS: Readonly<Record<string, string>> = {
  ArrayExpression: "elements",
  ArrayPattern: "elements",
  ArrowFunctionExpression: "params body",
  AssignmentExpression: "left right",
  AssignmentPattern: "left right",
  AwaitExpression: "argument",
  BinaryExpression: "left right",
  BlockStatement: "body",
  BreakStatement: "",
  CallExpression: "callee arguments",
  CatchClause: "param body",
  ChainExpression: "expression",
  ClassBody: "body",
  ClassDeclaration: "superClass body",
  ClassExpression: "superClass body",
  ConditionalExpression: "test consequent alternate",
  ContinueStatement: "",
  DebuggerStatement: "",
  DoWhileStatement: "body test",
  EmptyStatement: "",
  ExportAllDeclaration: "",
  ExportDefaultDeclaration: "declaration",
  ExportNamedDeclaration: "declaration",
  ExpressionStatement: "expression",
  ForInStatement: "left right body",
  ForOfStatement: "left right body",
  ForStatement: "init test update body",
  FunctionDeclaration: "params body",
  FunctionExpression: "params body",
  Identifier: "",
  IfStatement: "test consequent alternate",
  ImportDeclaration: "",
  ImportExpression: "source",
  LabeledStatement: "body",
  Literal: "",
  LogicalExpression: "left right",
  MemberExpression: "object property",
  MetaProperty: "",
  MethodDefinition: "key value",
  NewExpression: "callee arguments",
  ObjectExpression: "properties",
  ObjectPattern: "properties",
  ParenthesisExpression: "expression",
  PrivateIdentifier: "",
  Program: "body",
  Property: "key value",
  PropertyDefinition: "key value",
  RestElement: "argument",
  ReturnStatement: "argument",
  SequenceExpression: "expressions",
  SpreadElement: "argument",
  StaticBlock: "body",
  Super: "",
  SwitchCase: "test consequent",
  SwitchStatement: "discriminant cases",
  TaggedTemplateExpression: "tag quasi",
  TemplateElement: "",
  TemplateLiteral: "expressions",
  ThisExpression: "",
  ThrowStatement: "argument",
  TryStatement: "block handler finalizer",
  UnaryExpression: "argument",
  UpdateExpression: "argument",
  VariableDeclaration: "declarations",
  VariableDeclarator: "id init",
  WhileStatement: "test body",
  YieldExpression: "argument",
};

// deno-lint-ignore no-explicit-any
type AnyNode = any;

function plainNode(node: AnyNode): SyntaxNode {
  const names = PARTS[node.type];
  if (names === undefined) {
    throw new TypeError(`Cannot read code as its syntax must be known: current value is ${node.type}`);
  }
  const parts: Record<string, SyntaxNode | (SyntaxNode | null)[] | null> = {};
  for (const name of names.split(" ")) {
    if (name === "") continue;
    const part = node[name] ?? null;
    if (Array.isArray(part)) parts[name] = part.map((item: AnyNode) => item === null ? null : plainNode(item));
    else parts[name] = part === null ? null : plainNode(part);
  }
  return {
    type: node.type,
    start: node.range[0],
    end: node.range[1],
    parts,
    word: String(node.operator ?? node.name ?? ""),
  };
}

/**
 * Reads JavaScript. Works under `deno test` only, where the syntax tree can be had.
 *
 * @param code The text.
 * @returns The `Program`.
 * @throws {Error} when it does not parse.
 */
export function syntaxTree(code: string): SyntaxNode {
  let program: SyntaxNode | undefined;
  const rules = {
    tree: {
      create: () => ({
        Program(node: AnyNode) {
          program = plainNode(node);
        },
      }),
    },
  };
  Deno.lint.runPlugin({ name: "coverage", rules }, "code.js", code);
  if (program === undefined) throw new Error(`Cannot read code as it has no program: it has ${code.length} letters`);
  return program;
}
