import { assert, assertEquals } from "@std/assert";
import { FakeClock } from "./fake_clock.ts";
import { Life, mortal, mortalClock } from "./mortal.ts";

/** Something at the other side: it counts what reaches it. */
class Server {
  calls = 0;
  ask(): Promise<number> {
    return Promise.resolve(++this.calls);
  }
  seek(): number {
    return ++this.calls;
  }
  open(): Promise<Server> {
    return Promise.resolve(this);
  }
  fail(): Promise<never> {
    return Promise.reject(new Error("refused"));
  }
}

/** Whether a promise is settled once everything that can happen has happened. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(() => settled = true, () => settled = true);
  await new Promise((resolve) => setTimeout(resolve, 0));
  return settled;
}

Deno.test("mortal() passes calls, replies, errors and further handles on while the process lives", async () => {
  const server = new Server();
  const handle = mortal(server, new Life());
  assertEquals(await handle.ask(), 1);
  assertEquals(await (await handle.open()).ask(), 2);
  assertEquals(await handle.fail().catch((error: Error) => error.message), "refused");
});

Deno.test("mortal(): after a crash calls reach nobody, and neither they nor replies under way ever settle", async () => {
  const server = new Server(), life = new Life();
  const handle = mortal(server, life);
  const inner = await handle.open();
  const underWay = handle.ask();
  life.end();
  const late = inner.ask();
  assert(!await isSettled(underWay));
  assert(!await isSettled(late));
  assertEquals(server.calls, 1, "what was on the wire has taken effect");
});

Deno.test("mortal(): while a process stands still replies are held back and calls wait, except those that never leave it", async () => {
  const server = new Server(), life = new Life();
  const handle = mortal(server, life);
  const before = handle.ask();
  life.pause();
  const during = handle.ask();
  assert(!await isSettled(before));
  assertEquals(server.calls, 1);
  assertEquals(handle.seek(), 2);
  life.resume();
  assertEquals([await before, await during], [1, 3]);
});

Deno.test("mortal(): a process that crashes while it stands still sends nothing any more", async () => {
  const server = new Server(), life = new Life();
  const handle = mortal(server, life);
  life.pause();
  const waiting = handle.ask();
  life.end();
  life.resume();
  assert(!await isSettled(waiting));
  assertEquals(server.calls, 0);
});

Deno.test("mortal(): slow replies come after their latency", async () => {
  const clock = new FakeClock();
  const handle = mortal(new Server(), { life: new Life(), latency: () => clock.sleep(30) });
  const reply = handle.ask();
  await clock.advance(29);
  assert(!await isSettled(reply));
  await clock.advance(1);
  assertEquals(await reply, 1);
});

Deno.test("mortalClock() can always be read; sleeps of the dead never end, those of the paused end later", async () => {
  const clock = new FakeClock({ wallMs: 5 }), life = new Life();
  const own = mortalClock(clock, life);
  const sleep = own.sleep(10);
  life.pause();
  await clock.advance(10);
  assert(!await isSettled(sleep));
  life.resume();
  assert(await isSettled(sleep));
  const last = own.sleep(10);
  life.end();
  await clock.advance(10);
  assert(!await isSettled(last) && !await isSettled(own.sleep(0)));
  assertEquals([own.wallMs(), own.monotonicMs()], [25, 20]);
});

Deno.test("Life.onDeath() runs once, when the process ends", () => {
  const life = new Life();
  let deaths = 0;
  life.onDeath(() => deaths++);
  life.end();
  life.end();
  assertEquals([deaths, life.isDead], [1, true]);
});
