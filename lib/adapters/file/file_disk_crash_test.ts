import { assertRejects, assertStringIncludes } from "@std/assert";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StateLockedError } from "../../base/errors.ts";
import { FileDisk } from "./file_disk.ts";

Deno.test({
  name: "FileDisk.lock() ends with the process that holds it, however that ends",
  fn: async () => {
    const disk = new FileDisk(await mkdtemp(join(tmpdir(), "disk-")));
    try {
      const script = `import { FileDisk } from ${JSON.stringify(import.meta.resolve("./file_disk.ts"))};
      await new FileDisk(${JSON.stringify(disk.root)}).lock("d", "the child");
      console.log("held"); setInterval(() => {}, 1000);`;
      const child = new Deno.Command(Deno.execPath(), {
        args: ["eval", script],
        stdout: "piped",
        stderr: "null",
      }).spawn();
      const reader = child.stdout.getReader();
      assertStringIncludes(new TextDecoder().decode((await reader.read()).value), "held");
      const error = await assertRejects(() => disk.lock("d", "the parent"), StateLockedError);
      assertStringIncludes(error.message, `'the child' (process ${child.pid}`);
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
      await (await disk.lock("d", "the parent")).release();
    } finally {
      await rm(disk.root, { recursive: true });
    }
  },
});
