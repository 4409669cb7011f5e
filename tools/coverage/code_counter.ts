import type { RangeCounts } from "./range_counts.ts";
import { type SyntaxNode, syntaxTree } from "./syntax_tree.ts";

/** Something that tests can reach or miss. */
export interface CodePoint {
  /** A statement, or one way out of a decision. */
  readonly kind: "statement" | "branch";
  /** Where it stands in the JavaScript. */
  readonly offset: number;
  /** Which way it is: `if: else`, `&&: right side`. */
  readonly what: string;
}

/** Adds counts, given how often the construct was reached; `undefined` where V8 does not tell. */
type Visit = (base: number | undefined) => void;

const DECLARATIONS = new Set(["FunctionDeclaration", "ClassDeclaration"]);
const FUNCTIONS = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);
/** What is no statement of its own: a shell of others, or nothing that runs. */
const SHELLS = new Set([
  "BlockStatement",
  "EmptyStatement",
  "ExportAllDeclaration",
  "ExportDefaultDeclaration",
  "ExportNamedDeclaration",
  "ImportDeclaration",
  ...DECLARATIONS,
]);

function part(node: SyntaxNode, name: string): SyntaxNode | null {
  return (node.parts[name] ?? null) as SyntaxNode | null;
}

function list(node: SyntaxNode, name: string): readonly (SyntaxNode | null)[] {
  return (node.parts[name] ?? []) as readonly (SyntaxNode | null)[];
}

/** The statement behind `export` or a label. */
function unwrapped(node: SyntaxNode): SyntaxNode {
  if (node.type === "LabeledStatement") return unwrapped(part(node, "body")!);
  return /^Export(Named|Default)Declaration$/.test(node.type) ? part(node, "declaration") ?? node : node;
}

/**
 * Where to ask for the count of an arm. A function there has a range of its own, so ask just before it: V8's ranges of
 * arms begin at the operator.
 */
function placeOf(node: SyntaxNode): number {
  return FUNCTIONS.has(node.type) || node.type === "ClassExpression" ? node.start - 1 : node.start;
}

/**
 * Counts statements and branches of one module over many isolates.
 *
 * V8 counts ranges of text and leaves out each whose count is that of the range around it, so that a decision which
 * always went one way has no range at all. With the syntax tree nothing gets lost: each arm of each `if`, `?:`, `&&`,
 * `||`, `??`, `?.`, `switch`, loop body and `catch` is a branch, and so is the way past it (`if` without `else`, the
 * short cut of an operator). What V8 cannot tell is no branch here: default values, `??=`, a loop that runs zero times.
 * Two things it tells wrongly: the count of what stands behind a call that throws, and behind a `for (let ...)` whose body
 * has closures. Both touch only the way past a later decision in the same block, never an arm.
 */
export class CodeCounter {
  /** The points, in no particular order. */
  readonly points: readonly CodePoint[];
  /** How often each point was reached. */
  readonly sums: number[];
  /** Functions with a body. */
  functions = 0;
  /** Calls of `invariant()`. */
  invariants = 0;
  private readonly found: CodePoint[] = [];
  private readonly root: Visit;
  private counts!: RangeCounts;

  /** @param code JavaScript of the module, as V8 ran it. */
  constructor(private readonly code: string) {
    const program = syntaxTree(code);
    this.root = this.statements(list(program, "body"), -1);
    this.points = this.found;
    this.sums = this.found.map(() => 0);
  }

  /** Adds what one isolate counted. */
  add(counts: RangeCounts): void {
    this.counts = counts;
    this.root(counts.at(0).count);
  }

  private point(kind: CodePoint["kind"], offset: number, what: string): (count: number | undefined) => void {
    const index = this.found.push({ kind, offset, what }) - 1;
    return (count) => {
      if (count !== undefined && count > 0) this.sums[index] = this.sums[index]! + count;
    };
  }

  /** The count of what V8 counts by itself: its range, or the one around it if that has the same count. */
  private countOf(place: number): number {
    return this.counts.at(place).count;
  }

  /**
   * Statements, one after the other. A statement is reached as often as the one before it, unless V8 counts anew from
   * inside or behind that one, as after `return`.
   */
  private statements(nodes: readonly (SyntaxNode | null)[], start: number): Visit {
    const steps = nodes.flatMap((outer) => {
      if (outer === null) return [];
      const node = unwrapped(outer);
      const point = SHELLS.has(node.type) ? undefined : this.point("statement", node.start, "");
      return [{ start: node.start, isDeclaration: DECLARATIONS.has(node.type), point, visit: this.visit(node) }];
    });
    return (base) => {
      let count = base;
      let previous = start;
      let isFirst = true;
      for (const step of steps) {
        if (!step.isDeclaration) {
          const range = this.counts.at(step.start);
          if (!isFirst && range.startOffset > previous) count = Math.min(count ?? Infinity, range.count);
          isFirst = false;
          previous = step.start;
        }
        step.point?.(count);
        step.visit?.(count);
      }
    };
  }

  /** A block, or the one statement that stands for it. */
  private body(node: SyntaxNode): Visit {
    return this.statements(node.type === "BlockStatement" ? list(node, "body") : [node], node.start);
  }

  private visit(node: SyntaxNode | null): Visit | undefined {
    if (node === null) return undefined;
    if (FUNCTIONS.has(node.type)) return this.functionBody(node);
    if (node.type === "CallExpression" && part(node, "callee")!.word === "invariant") this.invariants++;
    switch (node.type) {
      case "BlockStatement":
        return this.body(node);
      case "StaticBlock":
        return this.ownRange(node.start, this.statements(list(node, "body"), node.start));
      case "PropertyDefinition":
        return this.field(node);
      case "IfStatement":
        return this.ifStatement(node);
      case "ConditionalExpression":
        return this.conditional(node);
      case "LogicalExpression":
        return this.logical(node);
      case "ChainExpression":
        return this.chain(node);
      case "SwitchStatement":
        return this.switchStatement(node);
      case "TryStatement":
        return this.tryStatement(node);
      case "ForStatement":
      case "ForInStatement":
      case "ForOfStatement":
      case "WhileStatement":
      case "DoWhileStatement":
        return this.loop(node);
      case "AssignmentPattern":
        return this.all([[this.visit(part(node, "left")), true], [this.visit(part(node, "right")), false]]);
      case "AssignmentExpression": {
        const isSure = !["&&=", "||=", "??="].includes(node.word);
        return this.all([[this.visit(part(node, "left")), true], [this.visit(part(node, "right")), isSure]]);
      }
      default:
        return this.all(this.children(node).map((child) => [this.visit(child), true]));
    }
  }

  private children(node: SyntaxNode): SyntaxNode[] {
    return Object.values(node.parts).flat().filter((child) => child !== null) as SyntaxNode[];
  }

  /** Visits parts; those that are not sure to run with their construct are reached an unknown number of times. */
  private all(parts: readonly (readonly [Visit | undefined, isSure: boolean])[]): Visit | undefined {
    const visits = parts.filter(([visit]) => visit !== undefined);
    if (visits.length === 0) return undefined;
    return (base) => {
      for (const [visit, isSure] of visits) visit!(isSure ? base : undefined);
    };
  }

  /** What has a range of its own, whatever stands around it. */
  private ownRange(place: number, visit: Visit): Visit {
    return () => visit(this.countOf(place));
  }

  private functionBody(node: SyntaxNode): Visit {
    this.functions++;
    const body = part(node, "body")!;
    const inner = body.type === "BlockStatement" ? this.body(body) : this.statements([body], body.start);
    const params = this.all(list(node, "params").map((param) => [this.visit(param), true]));
    return this.ownRange(placeOf(body), (base) => {
      params?.(base);
      inner(base);
    });
  }

  private field(node: SyntaxNode): Visit | undefined {
    const value = part(node, "value");
    const key = this.visit(part(node, "key"));
    if (value === null) return key;
    const point = this.point("statement", value.start, "");
    const inner = this.visit(value);
    return this.ownRange(placeOf(value), (base) => {
      key?.(undefined);
      point(base);
      inner?.(base);
    });
  }

  private ifStatement(node: SyntaxNode): Visit {
    const [test, yes, no] = [part(node, "test")!, part(node, "consequent")!, part(node, "alternate")];
    const taken = this.point("branch", yes.start, "if: then");
    const passed = this.point("branch", no === null ? node.start : no.start, "if: else");
    const [visitTest, visitYes, visitNo] = [this.visit(test), this.body(yes), no === null ? undefined : this.body(no)];
    return (base) => {
      visitTest?.(base);
      const after = this.counts.at(test.end);
      const decided = base === undefined || after.startOffset >= node.start ? after.count : base;
      const yesCount = this.countOf(yes.start);
      const noCount = no === null ? decided - yesCount : this.countOf(no.start);
      taken(yesCount);
      passed(noCount);
      visitYes(yesCount);
      visitNo?.(noCount);
    };
  }

  private conditional(node: SyntaxNode): Visit {
    const [yes, no] = [part(node, "consequent")!, part(node, "alternate")!];
    const points = [this.point("branch", yes.start, "?:: then"), this.point("branch", no.start, "?:: else")];
    const visitTest = this.visit(part(node, "test"));
    const visits = [this.visit(yes), this.visit(no)];
    return (base) => {
      visitTest?.(base);
      for (const [i, arm] of [yes, no].entries()) {
        const count = this.countOf(placeOf(arm));
        points[i]!(count);
        visits[i]?.(count);
      }
    };
  }

  /** `a && b && c`: each operand but the last either leads on to the next one or decides. */
  private logical(node: SyntaxNode): Visit {
    const operands: SyntaxNode[] = [];
    let left: SyntaxNode = node;
    for (; left.type === "LogicalExpression" && left.word === node.word; left = part(left, "left")!) {
      operands.unshift(part(left, "right")!);
    }
    const visitFirst = this.visit(left);
    const steps = operands.map((operand) => ({
      place: placeOf(operand),
      right: this.point("branch", operand.start, `${node.word}: right side`),
      cut: this.point("branch", operand.start, `${node.word}: short cut`),
      visit: this.visit(operand),
    }));
    return (base) => {
      visitFirst?.(base);
      let reached = base;
      for (const { place, right, cut, visit } of steps) {
        const count = this.countOf(place);
        right(count);
        cut(reached === undefined ? undefined : reached - count);
        visit?.(count);
        reached = base === undefined ? undefined : count;
      }
    };
  }

  /** `a?.b.c?.d`: each `?.` either goes on or leaves the chain. */
  private chain(node: SyntaxNode): Visit {
    const links: { place: number; on: (count?: number) => void; out: (count?: number) => void }[] = [];
    const visits: [Visit | undefined, depth: number][] = [];
    const follow = (link: SyntaxNode): void => {
      const isMember = link.type === "MemberExpression";
      if (!isMember && link.type !== "CallExpression") {
        visits.push([this.visit(link), 0]);
        return;
      }
      const before = part(link, isMember ? "object" : "callee")!;
      follow(before);
      const [gap] = /^[\s)]*(?=\?\.)/.exec(this.code.slice(before.end)) ?? [];
      if (gap !== undefined) {
        const place = before.end + gap.length;
        const [on, out] = [this.point("branch", place, "?.: goes on"), this.point("branch", place, "?.: is null")];
        links.push({ place, on, out });
      }
      const rest = isMember ? [part(link, "property")] : list(link, "arguments");
      for (const piece of rest) visits.push([this.visit(piece), links.length]);
    };
    follow(part(node, "expression")!);
    return (base) => {
      const reached: (number | undefined)[] = [base];
      for (const { place, on, out } of links) {
        const before = reached.at(-1);
        const count = this.countOf(place);
        on(count);
        out(before === undefined ? undefined : before - count);
        reached.push(base === undefined ? undefined : count);
      }
      for (const [visit, depth] of visits) visit?.(reached[depth]);
    };
  }

  private switchStatement(node: SyntaxNode): Visit {
    const visitDiscriminant = this.visit(part(node, "discriminant"));
    const cases = list(node, "cases").map((one) => {
      const isDefault = part(one!, "test") === null;
      return {
        start: one!.start,
        isEmpty: list(one!, "consequent").length === 0,
        point: this.point("branch", one!.start, isDefault ? "switch: default" : "switch: case"),
        visitTest: this.visit(part(one!, "test")),
        visit: this.statements(list(one!, "consequent"), one!.start),
      };
    });
    return (base) => {
      visitDiscriminant?.(base);
      let fallen = 0;
      for (const { start, isEmpty, point, visitTest, visit } of cases) {
        visitTest?.(undefined);
        const count = this.countOf(start);
        point(count - fallen);
        visit(count);
        fallen = isEmpty ? count : 0;
      }
    };
  }

  private tryStatement(node: SyntaxNode): Visit {
    const [handler, last] = [part(node, "handler"), part(node, "finalizer")];
    const block = this.body(part(node, "block")!);
    const handlerBody = handler === null ? null : part(handler, "body")!;
    const caught = handlerBody === null ? undefined : this.point("branch", handlerBody.start, "try: catch");
    const visitHandler = handlerBody === null ? undefined : this.body(handlerBody);
    const visitLast = last === null ? undefined : this.body(last);
    return (base) => {
      block(base);
      const count = handlerBody === null ? undefined : this.countOf(handlerBody.start);
      caught?.(count);
      visitHandler?.(count);
      visitLast?.(last === null ? undefined : this.countOf(last.start));
    };
  }

  /** How often a loop's test and update run is not told; how often its body runs is. */
  private loop(node: SyntaxNode): Visit {
    const body = part(node, "body");
    const before = this.all(["init", "left", "right"].map((name) => [this.visit(part(node, name)), true]));
    const often = this.all(["test", "update"].map((name) => [this.visit(part(node, name)), false]));
    // An empty statement is no node.
    const point = body === null ? undefined : this.point("branch", body.start, "loop: body");
    const visitBody = body === null ? undefined : this.body(body);
    return (base) => {
      before?.(base);
      often?.(undefined);
      const count = body === null ? undefined : this.countOf(body.start);
      point?.(count);
      visitBody?.(count);
    };
  }
}
