/**
 * Rules of the house for `deno lint`, shown in the editor while one writes. Each looks at single statements; what needs
 * the whole repository stands in tidy/.
 */

// deno-lint-ignore no-explicit-any
type AnyNode = any;

/** Where users call: there a third required argument belongs into options. */
const PUBLIC_FOLDERS = /(^|\/)(lib\/(app|operator|operators)|testing)\//;
const REQUIRED_MAX = 2;

function isTestFile(filename: string): boolean {
  return /_(test|bench)\.ts$/.test(filename);
}

/** First and last literal piece of a message; `undefined` where an expression stands. */
interface Message {
  readonly start: string | undefined;
  readonly end: string | undefined;
}

/** The message of a string, a template or a concatenation; `undefined` when nothing of it is literal. */
function messageOf(node: AnyNode): Message | undefined {
  switch (node?.type) {
    case "Literal":
      return typeof node.value === "string" ? { start: node.value, end: node.value } : undefined;
    case "TemplateLiteral": {
      const pieces: string[] = node.quasis.map((quasi: AnyNode) => quasi.cooked);
      const last = pieces.at(-1)!;
      return { start: pieces[0] || (node.expressions.length > 0 ? undefined : ""), end: last || undefined };
    }
    case "BinaryExpression": {
      if (node.operator !== "+") return undefined;
      return { start: messageOf(node.left)?.start, end: messageOf(node.right)?.end };
    }
    default:
      return undefined;
  }
}

/** Errors of the house begin with their code, so that the message is the second argument. */
function messageArgument(node: AnyNode): AnyNode {
  return node.callee.name === "StreamError" ? node.arguments[1] : node.arguments[0];
}

const errorMessage: Deno.lint.Rule = {
  create(context) {
    if (isTestFile(context.filename)) return {};
    return {
      NewExpression(node: AnyNode) {
        if (!/^[A-Z]\w*Error$/.test(node.callee.name ?? "")) return;
        const argument = messageArgument(node);
        const report = (message: string) => context.report({ node: argument ?? node, message });
        if (argument === undefined) {
          if (node.callee.name !== "AggregateError" && node.arguments.length === 0) report("An error needs a message");
          return;
        }
        const message = messageOf(argument);
        if (message === undefined) return;
        if (message.start !== undefined && message.start.trim() === "") report("An error needs a message");
        else if (message.start !== undefined && /^[a-z]/.test(message.start)) {
          report("An error message begins with a capital letter");
        }
        if (message.end?.trimEnd().endsWith(".")) report("An error message ends without a period");
      },
    };
  },
};

const noConsole: Deno.lint.Rule = {
  create(context) {
    const isInner = /(^|\/)lib\//.test(context.filename) && !/(^|\/)lib\/adapters\//.test(context.filename);
    if (!isInner || isTestFile(context.filename)) return {};
    return {
      MemberExpression(node: AnyNode) {
        if (node.object.type !== "Identifier" || node.object.name !== "console") return;
        context.report({ node, message: "lib does not write to the console: tell the observer" });
      },
    };
  },
};

/** Whether a parameter must be given. */
function isRequired(parameter: AnyNode): boolean {
  if (parameter.type === "AssignmentPattern" || parameter.type === "RestElement") return false;
  if (parameter.type === "Identifier" && parameter.name === "this") return false;
  return parameter.optional !== true;
}

/** Whether an overload belongs to a function of any number of arguments: `chain(a, b, c, ...)` is spelled out for types. */
function isVariadic(overload: AnyNode): boolean {
  return overload.parent.parent.body.some((statement: AnyNode) => {
    const { type, id, params } = statement.declaration ?? {};
    return type === "FunctionDeclaration" && id?.name === overload.id?.name && params.at(-1)?.type === "RestElement";
  });
}

const requiredArguments: Deno.lint.Rule = {
  create(context) {
    if (!PUBLIC_FOLDERS.test(context.filename) || isTestFile(context.filename)) return {};
    const check = (node: AnyNode) => {
      const count = node.params.filter(isRequired).length;
      if (count <= REQUIRED_MAX) return;
      const name = node.id?.name ?? "this function";
      const message = `${name} takes ${count} required arguments: at most ${REQUIRED_MAX}, then one options object`;
      context.report({ node: node.id ?? node, message });
    };
    return {
      "ExportNamedDeclaration > FunctionDeclaration": check,
      "ExportNamedDeclaration > TSDeclareFunction": (node: AnyNode) => {
        if (!isVariadic(node)) check(node);
      },
      "ExportDefaultDeclaration > FunctionDeclaration": check,
    };
  },
};

export default {
  name: "turbine",
  rules: {
    "error-message": errorMessage,
    "no-console": noConsole,
    "required-arguments": requiredArguments,
  },
} satisfies Deno.lint.Plugin;
