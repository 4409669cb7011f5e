import process from "node:process";

/**
 * Reads a variable of the process's environment. A missing permission counts as unset, and nobody is asked for one.
 *
 * @param name Name of the variable.
 * @returns Its value, or `undefined` when it is unset or may not be read.
 */
export function environmentVariable(name: string): string | undefined {
  const permissions = (globalThis as { Deno?: { permissions: PermissionQuery } }).Deno?.permissions;
  if (permissions !== undefined && permissions.querySync({ name: "env", variable: name }).state !== "granted") {
    return undefined;
  }
  try {
    return process.env[name];
  } catch {
    return undefined;
  }
}

interface PermissionQuery {
  querySync(descriptor: { name: "env"; variable: string }): { state: string };
}
