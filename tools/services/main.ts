/** Starts and stops real servers for tests: `deno task services up kafka --nodes 3`. */
import { kafka } from "./kafka.ts";
import { s3 } from "./s3.ts";
import type { Service } from "./service.ts";
import { toxiproxy } from "./toxiproxy.ts";

const SERVICES: readonly Service[] = [kafka, s3, toxiproxy];

function usage(): never {
  console.error(
    "deno task services up NAME [--option value]\ndeno task services down [NAME]\ndeno task services status\n",
  );
  for (const service of SERVICES) console.error(`  ${service.name.padEnd(12)}${service.summary}`);
  Deno.exit(2);
}

const [verb, ...rest] = Deno.args;
const names = rest.filter((word, at) => !word.startsWith("--") && !rest[at - 1]?.startsWith("--"));
const options = new Map(
  rest.flatMap((word, at) => word.startsWith("--") ? [[word.slice(2), rest[at + 1] ?? ""] as const] : []),
);
const chosen = names.length === 0 ? SERVICES : SERVICES.filter((service) => names.includes(service.name));
if (chosen.length === 0 || names.some((name) => !SERVICES.some((service) => service.name === name))) usage();

if (verb === "up" && names.length > 0) {
  for (const service of chosen) console.log(`${service.name} ${await service.up(options)}`);
} else if (verb === "down") {
  for (const service of chosen) await service.down();
} else if (verb === "status") {
  for (const service of chosen) for (const line of await service.status()) console.log(`${service.name} ${line}`);
} else usage();
